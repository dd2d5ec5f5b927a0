"""What a run is: all settings with their defaults, and how they are written down."""

import copy
import difflib
import inspect
import json
import re
import runpy
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict, FieldReference, config_dict

from agejax.config import tasks
from agejax.config.named_callables import resolve_names
from agejax.data.imdb_wiki import imdb_wiki
from agejax.errors import UserError, place
from agejax.models.cnn import SmallCNN
from agejax.models.multitask import to_unit
from agejax.optim import cosine
from agejax.utils.import_by_name import current_folder_searched, is_name, name_of, resolve
from agejax.utils.user_values import meant

# What a resumed run may change; any other change would make it a different run.
_FREE = (
    *("mode.", "profile.", "writers.", "eval."),
    *("train.steps.", "train.log_every.", "train.eval_every."),
    *("train.deterministic.", "train.keep_memory.", "data.manual_dir.", "data.data_dir."),
    *("data.workers.", "data.cache_mib.", "data.cache_dir.", "data.device_mib.", "data.root."),
    *("data.max_unreadable.", "train.skip_nonfinite.", "train.fsdp_above."),
    *("train.sigterm_code.", "train.sigint_code."),
    "data.margin.",  # counts at prediction alone
    "data.allow_changed.",
)
# Of `data`: how faces become pixels.
LOADER = ("size", "workers", "cache_mib", "cache_dir", "max_unreadable")
# What of `model` is a network; a member of an ensemble has its own.
NETWORK = ("trunk", "args", "normalise", "head_width")
# Whose keys are the experiment's own, and which of these are of callables.
_OPEN = ("tasks.", "model.args.", "model.members.", "data.sets.")
_OPEN_CALLABLE = re.compile(
    r"tasks\..*\.(head|loss|balance)|model\.members\..*\.(trunk|normalise)|data\.sets\..*\.source",
    re.DOTALL,  # names are anybody's
)
_MISSING = object()
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def default() -> ConfigDict:
    """All settings, locked: an experiment changes values and cannot misspell a key.

    A callable is given as itself; `model.args` are the trunk's own keyword arguments, and of what
    stands in `data` before `size`, `source` is given what its signature names.
    """
    config = ConfigDict(
        {
            "seed": 0,
            "mode": "train",  # or "eval"
            "profile": False,  # write a trace of ten steps into WORKDIR/profile
            # Where metrics go beside metrics.jsonl, such as
            # agejax.training.loggers.tensorboard:TensorBoard; what a writer is,
            # agejax.training.loggers.writers.Writer says
            "writers": (),
            "data": {
                # (split, ...) -> Faces: imdb_wiki, own_faces, mixture, or one of yours
                "source": FieldReference(imdb_wiki, field_type=object),
                "name": "imdb",  # or "wiki", "imdb_wiki"
                "manual_dir": config_dict.placeholder(str),  # of the archives; TFDS's own
                "data_dir": config_dict.placeholder(str),  # of built data; ~/tensorflow_datasets
                "min_face_score": 0.0,  # stricter than the build's own
                "painted": 0,  # synthetic faces to paint into manual_dir first
                "path": config_dict.placeholder(str),  # own_faces: a table, or what was packed
                "root": config_dict.placeholder(str),  # where its images lie; the table's folder
                "sets": {},  # mixture: {name: {"source", "weight", what the source takes}}
                "size": 64,  # pixels a side
                # What crops show beyond the face on each side, as a share of its own side: so are
                # faces in photos cut. None: as training measures it; IMDB-WIKI's is 0.4
                "margin": config_dict.placeholder(float),
                "workers": 2,  # decoding threads; the result does not depend on it
                # Decoded pixels are kept in memory if all fit into this, else JPEGs, what fits.
                "cache_mib": 2048,
                "cache_dir": config_dict.placeholder(str),  # or in a file in there, for later runs
                "device_mib": config_dict.placeholder(int),  # and all of them on the devices, if
                # they fit into this; by default 8192 on an accelerator, and never on a CPU
                # Go on with a run, or evaluate it, though its data is not what run.json remembers
                "allow_changed": False,
                "max_unreadable": 0.01,  # share of a split's records that may have rotted since
            },
            # Of each: classes, weight, head, loss and loss_args, balance and balance_args, names,
            # logit_adjustment. All but the first have defaults; see agejax.config.tasks.Task.
            "tasks": tasks.settable({"age": {"classes": 101}, "gender": {"classes": 2}}),
            "model": {
                "trunk": SmallCNN,  # an nnx.Module: (size, dtype, rngs, **args)
                "args": {},
                # Weights to start from: a run of agejax, or one of its checkpoints; a file of
                # published weights; or "module:name" of a function that gives the path of either,
                # as agejax.pretrained.start_from:efficientnet_lite0_imagenet
                "pretrained": config_dict.placeholder(str),
                "normalise": to_unit,
                "head_width": 0,
                # Of an Ensemble, in place of these: {name: {trunk, args, normalise, head_width}};
                # `agejax ensemble` writes it
                "members": {},
                "dtype": "float32",  # of the computation; weights are float32 always
                "flip": False,  # predict a face and its mirror image, and average: twice the work
                "flip_cut": 0.0,  # cut that by this share of its side at each edge, and enlarge it
            },
            "augment": {
                "flip": True,
                "shift": 0.0,
                "zoom": 0.0,
                "crop": 0.0,
                "pad": config_dict.placeholder(float),
                "crop_share": 0.25,
                "brightness": 0.0,
                "contrast": 0.0,
                "stretch": 0.0,
                "saturation": 0.0,
                "cutout": 0.0,
                "mixup": 0.0,  # alpha; 0: none
            },
            "optim": {
                "learning_rate": 1e-3,
                "schedule": cosine,
                "warmup_steps": 0,
                "weight_decay": 0.0,
                "clip_norm": 0.0,  # 0: no clipping
                "trunk_rate": 1.0,  # the trunk's learning rate, as a share of the heads'
                "layer_decay": 1.0,  # a stage's learning rate, as a share of the next stage's
                "frozen_steps": 0,  # steps before the trunk begins to learn
                "b1": 0.9,
                "b2": 0.999,
                "eps": 1e-8,
            },
            "train": {
                "steps": 1000,
                # The first ones on smaller faces: ((pixels a side, steps), ...), then data.size
                "stages": (),
                "batch_size": 64,  # over all devices
                "accumulate": 1,  # parts in which a batch is worked through
                # MiB: larger arrays of weights and optimiser state are split over devices (FSDP)
                "fsdp_above": config_dict.placeholder(float),
                "steps_per_call": 1,  # more spare a small network on an accelerator its launches
                "remat": False,  # work activations out again instead of keeping them
                "ema": 0.0,  # decay of the averaged weights; 0: none
                # Batches in a row whose loss or gradient is not finite that are passed over; at
                # the next one the run stops
                "skip_nonfinite": 0,
                "log_every": 50,
                "eval_every": 500,  # validate, and save a checkpoint
                "keep_memory": True,  # on a CPU: freed memory serves the next step
                "deterministic": False,  # for a GPU: slower and bit-identical; a CPU always is
                "sigterm_code": 143,  # with which a run that SIGTERM stopped exits, once it saved;
                "sigint_code": 130,  # schedulers go by it
            },
            "eval": {
                "split": "test",  # also looked at, once, when training ends
                "checkpoint": "best",  # or "latest", or a step
                "batch_size": 256,
                # A CSV of `path` and other columns, such as race, to show figures by group
                "attributes": config_dict.placeholder(str),
            },
        }
    )
    return config.lock()


def source_of(config: ConfigDict) -> Any:
    """The callable that `config.data.source` is, or names."""
    return _resolved(config.data.source)


def from_file(path: Path) -> ConfigDict:
    """What `get_config()` of a Python file gives.

    Raises:
      UserError: there is no such file, or it gives none, or not a whole one.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such config")
    try:
        with current_folder_searched():
            config = runpy.run_path(str(path))["get_config"]()
    except (Exception, SystemExit) as error:  # a config is a program: anything can go wrong in it
        raise UserError(f"{place(error, path)}: {type(error).__name__}: {error}") from error
    check_whole(config, path)
    return settled(config)


def check_whole(config: Any, file: Path) -> None:
    """Raises a `UserError` if what a file's `get_config()` gives lacks settings."""
    if not isinstance(config, ConfigDict):
        raise UserError(f"{file}: get_config() gives no ConfigDict")
    wanted = [key for key, _ in flat(default()) if not key.startswith("tasks.")]
    for key in [*wanted, "tasks.age"]:  # what else is in there has a check of its own
        section: Any = config
        for part in key.split("."):
            section = section.get(part, _MISSING) if isinstance(section, ConfigDict) else _MISSING
        if section is _MISSING:
            raise UserError(
                f"{file}: get_config() gives no config.{key}; it must begin with "
                f"agejax.config.default()"
            )


def stages(config: ConfigDict) -> list[tuple[int, int]]:
    """[(steps done before a stage begins, its pixels a side)], the last one at data.size."""
    result, start = [], 0
    for size, steps in config.train.stages:
        result.append((start, size))
        start += steps
    return [*result, (start, config.data.size)]


def writers(config: ConfigDict) -> list[Callable[..., Any]]:
    """The callables of `config.writers`, which may be given by their names.

    Raises:
      UserError: one is none.
    """
    found = [_resolved(writer) for writer in config.writers]
    for writer in found:
        if not callable(writer):
            raise UserError(f"config.writers holds {writer!r}; it must be callables")
    return found


def source_args(config: ConfigDict) -> dict[str, Any]:
    """The keyword arguments of `config.data.source`: what its signature names."""
    return split_source_args(config)[0]


def split_source_args(config: ConfigDict) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of `config.data` the source takes, and what else there is.

    Raises:
      UserError: it is no source.
    """
    source = source_of(config)
    try:
        _, *takes = inspect.signature(source).parameters.values()
    except (TypeError, ValueError) as error:
        raise UserError(
            f"config.data.source is {source!r}; it must be a function of a split"
        ) from error
    given = config.data.to_dict()
    for key in ("source", "device_mib", "margin", "allow_changed", *LOADER):
        given.pop(key)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        return given, {}
    names = {parameter.name for parameter in takes}
    args = {key: value for key, value in given.items() if key in names}
    return args, {key: value for key, value in given.items() if key not in names}


def check_key(config: ConfigDict, key: str) -> None:
    """Raises a `UserError` that names the nearest key where `config` has no such one."""
    keys = list(flat(config.to_dict()))
    sections = {k.rpartition(".")[0] for k, _ in keys}
    known = sorted({k for k, _ in keys} | sections - {""})
    if key in known or key.startswith(_OPEN):
        return
    last_words = {k.rpartition(".")[2]: k for k in known}
    word = key.rpartition(".")[2]
    near = [last_words[word]] if word in last_words else difflib.get_close_matches(key, known, n=1)
    near = near or [last_words[w] for w in difflib.get_close_matches(word, last_words, n=1)]
    hint = f"did you mean config.{near[0]}?" if near else "agejax/config.py lists all keys"
    raise UserError(f"there is no config.{key}; {hint}")


def update(config: ConfigDict, values: Mapping[str, Any]) -> None:
    """Sets `{"section.key": value}`; callables may be given as "module:name".

    A mapping changes what it names of a section, but replaces the arguments of a callable as a
    whole: those of a trunk or a loss are not for another one.

    Raises:
      UserError: there is no such key, or the value is of another type.
    """
    usual = _usual()
    for key, given in values.items():
        check_key(config, key)
        value = meant(key, given, usual.get(key, ...))
        section, _, name = key.rpartition(".")
        try:
            holder = get(config, section)
            old = holder.get(name) if key.startswith(_OPEN) else holder[name]
            if isinstance(old, ConfigDict) and isinstance(value, Mapping) and name[-4:] != "args":
                update(config, {f"{key}.{inner}": v for inner, v in value.items()})
                continue
            with config.unlocked():  # what is open has keys of its own
                holder[name] = _resolved(value) if callable(old) else value
        except (TypeError, AttributeError, KeyError) as error:
            raise UserError(f"config.{key} cannot be {value!r}: {error}") from error


def settled(config: ConfigDict) -> ConfigDict:
    """A config with the values that are meant; see `agejax.utils.user_values`.

    Raises:
      UserError: a path begins with a home that is not there.
    """
    usual, given = _usual(), dict(flat(config.to_dict()))
    values = {key: meant(key, value, usual.get(key, ...)) for key, value in given.items()}
    changed = {key: value for key, value in values.items() if value is not given[key]}
    if changed:
        config = copy.deepcopy(config)
        update(config, changed)
    return config


def may_be_none(key: str) -> bool:
    """Whether the setting `key` has a meaning where it is none."""
    return meant(key, "None", _usual().get(key, ...)) is None


def _usual() -> dict[str, Any]:
    return dict(flat(default().to_dict()))


def to_json(config: ConfigDict) -> str:
    """A config as JSON; callables are written as "module:name"."""
    return json.dumps(_plain(config), indent=2) + "\n"


def from_json(text: str, where: str, trust: Collection[str] = ()) -> ConfigDict:
    """The config that `to_json` wrote.

    Args:
      text: the JSON.
      where: names the file in errors.
      trust: modules whose code it may name; see `agejax.utils.import_by_name.trusted`.

    Raises:
      UserError: it holds keys or values that this version does not know, or names other code.
    """
    config = default()
    try:
        loaded = json.loads(text)
        resolve_names(loaded, trust, where)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{where}: not a config of this version of agejax ({error})") from error
    try:
        with config.unlocked():
            config.tasks = tasks.settable(loaded.pop("tasks"))
            config.model.args = loaded["model"].pop("args")
            members = loaded["model"].pop("members", {})
            config.model.members = {name: _member(of) for name, of in members.items()}
            config.data.sets = loaded["data"].pop("sets", {})
        _check_sections(loaded, config)
        update(config, dict(flat(loaded)))
    except (*_MALFORMED, UserError) as error:
        raise UserError(f"{where}: not a config of this version of agejax ({error})") from error
    return settled(config)


def _check_sections(given: Mapping[str, Any], config: ConfigDict, prefix: str = "") -> None:
    """A value must not be a section: an empty one would stand for the default."""
    for key, value in given.items():
        ours = config.get(key, value)
        if isinstance(value, Mapping) and not isinstance(ours, Mapping | ConfigDict):
            raise ValueError(f"config.{prefix}{key} is a section there")
        if isinstance(value, Mapping) and isinstance(ours, ConfigDict):
            _check_sections(value, ours, f"{prefix}{key}.")


def network(config: ConfigDict) -> str:
    """What people call a config's network: its trunk, or those that an ensemble is made of."""
    members = [member.trunk.__name__ for member in config.model.members.values()]
    name: str = config.model.trunk.__name__
    return f"{name} of {' and '.join(members)}" if members else name


def modules_of(config: ConfigDict) -> set[str]:
    """The modules of all callables in a config: code that whoever gave it runs already."""
    tree = config.to_dict() | {"tasks": tasks.plain(config.tasks)}
    of_all = {value.__module__ for _, value in flat(tree) if callable(value)}
    named = {value.partition(":")[0] for _, value in _named_in_open(tree)}
    return of_all | named | {writer.__module__ for writer in writers(config)}


def differences(ours: ConfigDict, theirs: ConfigDict) -> Iterator[str]:
    """In what two configs say that they are different runs, as lines."""
    for key, a, b in changes(ours, theirs):
        yield f"config.{key} was {b!r} and is now {a!r}"


def changes(ours: ConfigDict, theirs: ConfigDict) -> Iterator[tuple[str, Any, Any]]:
    """The keys in which two configs say that they are different runs, and both values."""
    a, b = (dict(flat(_plain(config))) for config in (ours, theirs))
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key) and not _is_free(key):
            yield key, a.get(key), b.get(key)


def _is_free(key: str) -> bool:
    if key.startswith("data.sets."):  # of a set, where it lies
        return key.endswith((".manual_dir", ".data_dir", ".root"))
    return f"{key}.".startswith(_FREE)


def _named_in_open(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys of callables, given by name, where a config does not resolve them by itself."""
    for key, value in flat(tree):
        if isinstance(value, str) and (
            _OPEN_CALLABLE.fullmatch(key) or (key == "model.pretrained" and is_name(value))
        ):
            yield key, value


def flat(tree: Mapping[str, Any] | ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of all leaves of a tree of mappings, keys joined by dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping | ConfigDict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def get(config: ConfigDict, key: str) -> Any:
    """The value, or the section, at "section.key"."""
    for part in filter(None, key.split(".")):
        config = config[part]
    return config


def _plain(config: ConfigDict) -> dict[str, Any]:
    """Mappings, lists, numbers and strings alone, with the tasks' defaults said."""
    plain = config.to_dict() | {"tasks": tasks.plain(config.tasks)}
    plain["data"]["source"] = _resolved(plain["data"]["source"])
    return _named(plain)


def _named(value: Any) -> Any:
    if isinstance(value, Mapping | ConfigDict):
        return {key: _named(v) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [_named(v) for v in value]
    return name_of(value) if callable(value) else value


def _member(written: Mapping[str, Any]) -> dict[str, Any]:
    """That of an ensemble, if it is one."""
    width = written["head_width"]
    if written.keys() != set(NETWORK) or not (type(width) is int and width >= 0):
        raise ValueError(f"a member has {', '.join(NETWORK)}, the last of them 0 or more")
    return dict(written)


def _resolved(value: Any) -> Any:
    return resolve(value) if isinstance(value, str) else value
