"""What a run is: all settings with their defaults, and how they are written down."""

import difflib
import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict, config_dict

from agejax import tasks
from agejax.callables import name_of, resolve
from agejax.data.imdb_wiki import imdb_wiki
from agejax.errors import UserError
from agejax.models.cnn import SmallCNN
from agejax.models.multitask import to_unit
from agejax.train.optim import cosine

# What a resumed run may change; any other change would make it a different run.
_FREE = (
    *(
        "mode.",
        "profile.",
        "writers.",
        "eval.",
        "train.steps.",
        "train.log_every.",
        "train.eval_every.",
    ),
    *("train.deterministic.", "train.keep_memory.", "data.manual_dir.", "data.data_dir."),
    *("data.workers.", "data.cache_mib.", "data.cache_dir.", "data.device_mib."),
)
LOADER = ("size", "workers", "cache_mib", "cache_dir")  # of `data`: how faces become pixels
_OPEN = ("tasks.", "model.args.")  # whose keys are the experiment's own


def default() -> ConfigDict:
    """All settings, locked: an experiment changes values and cannot misspell a key.

    A callable is given as itself; `model.args` are the trunk's own keyword arguments, and what
    stands in `data` before `size`, beside `source`, are the source's.
    """
    config = ConfigDict(
        {
            "seed": 0,
            "mode": "train",  # or "eval"
            "profile": False,  # write a trace of ten steps into WORKDIR/profile
            # Where metrics go beside metrics.jsonl, such as agejax.runtime.tensorboard:TensorBoard;
            # agejax.runtime.writers.Writer says what one is
            "writers": (),
            "data": {
                "source": imdb_wiki,  # (split, **rest of data) -> Faces
                "name": "imdb",  # or "wiki", "imdb_wiki"
                "manual_dir": config_dict.placeholder(str),  # of the archives; TFDS's own
                "data_dir": config_dict.placeholder(str),  # of built data; ~/tensorflow_datasets
                "min_face_score": 0.0,  # stricter than the build's own
                "painted": 0,  # synthetic faces to paint into manual_dir first
                "size": 64,  # pixels a side
                "workers": 2,  # decoding threads; the result does not depend on it
                "cache_mib": 2048,  # decoded pixels are kept in memory if all fit into this
                "cache_dir": config_dict.placeholder(str),  # or in a file in there, for later runs
                "device_mib": config_dict.placeholder(int),  # and all of them on the devices, if
                # they fit into this; by default 8192 on an accelerator, and never on a CPU
            },
            # Of each: classes, weight, head, loss and loss_args, balance and balance_args. All but
            # the first have defaults; see agejax.tasks.Task.
            "tasks": tasks.settable({"age": {"classes": 101}, "gender": {"classes": 2}}),
            "model": {
                "trunk": SmallCNN,  # an nnx.Module: (size, dtype, rngs, **args)
                "args": {},
                # Weights to start from: a run of agejax, or one of its checkpoints; a file of
                # published weights; or "module:name" of a function that gives the path of either,
                # as agejax.runtime.pretrained:efficientnet_lite0_imagenet
                "pretrained": config_dict.placeholder(str),
                "normalise": to_unit,
                "head_width": 0,
                "dtype": "float32",  # of the computation; weights are float32 always
                "flip": False,  # predict a face and its mirror image, and average: twice the work
            },
            "augment": {
                "flip": True,
                "shift": 0.0,
                "zoom": 0.0,
                "brightness": 0.0,
                "contrast": 0.0,
                "stretch": 0.0,
                "saturation": 0.0,
                "cutout": 0.0,
            },
            "optim": {
                "learning_rate": 1e-3,
                "schedule": cosine,
                "warmup_steps": 0,
                "weight_decay": 0.0,
                "clip_norm": 0.0,  # 0: no clipping
                "trunk_rate": 1.0,  # the trunk's learning rate, as a share of the heads'
                "frozen_steps": 0,  # steps before the trunk begins to learn
                "b1": 0.9,
                "b2": 0.999,
                "eps": 1e-8,
            },
            "train": {
                "steps": 1000,
                "batch_size": 64,  # over all devices
                "accumulate": 1,  # parts in which a batch is worked through
                "steps_per_call": 1,  # more spare a small network on an accelerator its launches
                "remat": False,  # work activations out again instead of keeping them
                "ema": 0.0,  # decay of the averaged weights; 0: none
                "log_every": 50,
                "eval_every": 500,  # validate, and save a checkpoint
                "keep_memory": True,  # on a CPU: freed memory serves the next step
                "deterministic": False,  # for a GPU: slower and bit-identical; a CPU always is
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


def from_file(path: Path) -> ConfigDict:
    """What `get_config()` of a Python file gives.

    Raises:
      UserError: there is no such file, or it gives none.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such config")
    try:
        config = runpy.run_path(str(path))["get_config"]()
    except Exception as error:  # a config is a program: anything can go wrong in it
        raise UserError(f"{path}: {type(error).__name__}: {error}") from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"{path}: get_config() gives no ConfigDict")
    return config


def check(config: ConfigDict) -> None:
    """Raises a `UserError` for a value that cannot be meant."""
    positive = ["data.size", "data.workers", "eval.batch_size"]
    of_training = "steps batch_size accumulate steps_per_call log_every eval_every"
    for key in [*positive, *(f"train.{name}" for name in of_training.split())]:
        if _get(config, key) < 1:
            raise UserError(f"config.{key} is {_get(config, key)}; it must be at least 1")
    for key, choices in {
        "mode": ("train", "eval"),
        "model.dtype": ("float32", "bfloat16"),
    }.items():
        if _get(config, key) not in choices:
            raise UserError(f"config.{key} is {_get(config, key)!r}; it can be {_either(choices)}")
    if config.train.batch_size % config.train.accumulate:
        raise UserError(
            f"config.train.batch_size, {config.train.batch_size}, does not divide into "
            f"config.train.accumulate, {config.train.accumulate}, equal parts"
        )
    for key in ("train.steps", "train.log_every", "train.eval_every"):
        if _get(config, key) % config.train.steps_per_call:
            raise UserError(
                f"config.{key} is {_get(config, key)}, no multiple of config.train.steps_per_call, "
                f"{config.train.steps_per_call}"
            )
    if not 0 <= config.train.ema < 1:
        raise UserError(f"config.train.ema is {config.train.ema}; it must be in [0, 1)")
    if config.eval.attributes and not Path(config.eval.attributes).is_file():
        raise UserError(
            f"config.eval.attributes is {config.eval.attributes}; there is no such file"
        )
    writers(config)
    tasks.check(config.tasks)


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
    """The keyword arguments of `config.data.source`."""
    ours = ("source", "device_mib", *LOADER)
    return {key: value for key, value in config.data.items() if key not in ours}


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
    for key, value in values.items():
        check_key(config, key)
        section, _, name = key.rpartition(".")
        try:
            holder = _get(config, section)
            old = holder.get(name) if key.startswith(_OPEN) else holder[name]
            if isinstance(old, ConfigDict) and isinstance(value, Mapping) and name[-4:] != "args":
                update(config, {f"{key}.{inner}": v for inner, v in value.items()})
                continue
            with config.unlocked():  # what is open has keys of its own
                holder[name] = _resolved(value) if callable(old) else value
        except (TypeError, AttributeError, KeyError) as error:
            raise UserError(f"config.{key} cannot be {value!r}: {error}") from error


def to_json(config: ConfigDict) -> str:
    """A config as JSON; callables are written as "module:name"."""
    return json.dumps(_plain(config), indent=2) + "\n"


def from_json(text: str, where: str) -> ConfigDict:
    """The config that `to_json` wrote.

    Raises:
      UserError: it holds keys or values that this version does not know; `where` names the file.
    """
    config = default()
    try:
        loaded = json.loads(text)
        with config.unlocked():
            config.tasks = tasks.settable(loaded.pop("tasks"))
            config.model.args = loaded["model"].pop("args")
        update(config, dict(flat(loaded)))
    except (ValueError, KeyError, TypeError, AttributeError, UserError) as error:
        raise UserError(f"{where}: not a config of this version of agejax ({error})") from error
    return config


def differences(ours: ConfigDict, theirs: ConfigDict) -> Iterator[str]:
    """The keys in which two configs say that they are different runs."""
    a, b = (dict(flat(_plain(config))) for config in (ours, theirs))
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key) and not f"{key}.".startswith(_FREE):
            yield f"config.{key} was {b.get(key)!r} and is now {a.get(key)!r}"


def flat(tree: Mapping[str, Any] | ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of all leaves of a tree of mappings, keys joined by dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping | ConfigDict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _get(config: ConfigDict, key: str) -> Any:
    for part in filter(None, key.split(".")):
        config = config[part]
    return config


def _plain(config: ConfigDict) -> dict[str, Any]:
    """Mappings, lists, numbers and strings alone, with the tasks' defaults said."""
    return _named(config.to_dict() | {"tasks": tasks.plain(config.tasks)})


def _named(value: Any) -> Any:
    if isinstance(value, Mapping | ConfigDict):
        return {key: _named(v) for key, v in value.items()}
    if isinstance(value, tuple | list):
        return [_named(v) for v in value]
    return name_of(value) if callable(value) else value


def _resolved(value: Any) -> Any:
    return resolve(value) if isinstance(value, str) else value


def _either(choices: tuple[str, ...]) -> str:
    return " or ".join(repr(choice) for choice in choices)
