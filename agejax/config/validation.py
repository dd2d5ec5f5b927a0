"""Validation of a config: each value by itself, and values that have to agree."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from agejax import config as configs
from agejax.config import get, tasks
from agejax.data.crop_margin import LARGEST
from agejax.errors import UserError
from agejax.labels import AGES
from agejax.losses.distillation import suits_temperature
from agejax.models.ensemble import Ensemble
from agejax.utils.plain_names import check_plain, check_split

_TRAIN = ("steps", "batch_size", "accumulate", "steps_per_call", "log_every", "eval_every")
_COUNTS = ("data.workers", "eval.batch_size", *(f"train.{name}" for name in _TRAIN))
_MOST = 2**31 - 1  # steps are counted in 32 bits
_MOST_FOLDS = 10_000
_LARGEST = 4096  # pixels a side
# Of model.args, by which a model is built before its arrays can be compared with a file's.
_LARGEST_ARG, _LONGEST_ARG, _DEEPEST_ARG = 1 << 16, 1000, 10
_NOT_NEGATIVE = (
    *("optim.learning_rate", "optim.warmup_steps", "optim.weight_decay", "optim.clip_norm"),
    *("optim.trunk_rate", "optim.frozen_steps", "optim.frozen_stages", "optim.eps"),
    *("train.skip_nonfinite", "data.painted", "data.cache_mib", "data.train_faces"),
    "augment.mixup",
)
_RANGES = (
    *((key, lambda x: x >= 1, "at least 1") for key in _COUNTS),
    *((key, lambda x: x <= _MOST, f"at most {_MOST:,}") for key in _COUNTS),
    ("data.size", lambda x: 1 <= x <= _LARGEST, f"from 1 to {_LARGEST:,}"),
    ("model.head_width", lambda x: 0 <= x <= _LARGEST_ARG, f"from 0 to {_LARGEST_ARG:,}"),
    ("mode", lambda x: x in ("train", "eval"), "'train' or 'eval'"),
    ("model.dtype", lambda x: x in ("float32", "bfloat16"), "'float32' or 'bfloat16'"),
    ("data.audit_above", lambda x: x is None or 0 <= x < 1, "from 0 to below 1"),
    ("augment.crop", lambda x: 0 <= x < 0.5, "in [0, 0.5)"),
    ("augment.pad", lambda x: x is None or x >= 0, "0 or above"),
    ("model.flip_cut", lambda x: 0 <= x < 0.5, "in [0, 0.5)"),
    ("augment.crop_share", lambda x: 0 <= x <= 1, "in [0, 1]"),
    ("optim.layer_decay", lambda x: 0 < x <= 1, "in (0, 1]"),
    ("data.margin", lambda x: x is None or 0 <= x <= LARGEST, f"from 0 to {LARGEST:g}"),
    ("distil.weight", lambda x: 0 < x <= 1, "above 0, and at most 1"),
    ("distil.temperature", lambda x: x > 0, "above 0"),
    ("distil.unlabelled_weight", lambda x: x > 0, "above 0"),
    ("train.fsdp_above", lambda x: x is None or x >= 0, "0 or above"),
    *((key, lambda x: 0 <= x < 1, "in [0, 1)") for key in ("train.ema", "optim.b1", "optim.b2")),
    *((key, lambda x: x >= 0, "0 or above") for key in _NOT_NEGATIVE),
    ("seed", lambda x: 0 <= x < 2**32, f"from 0 to {2**32 - 1}"),
)


def check(config: ConfigDict) -> None:
    """Raises a `UserError` for an invalid value, or a file that does not exist."""
    check_values(config)
    if config.eval.attributes and not Path(config.eval.attributes).is_file():
        raise UserError(
            f"config.eval.attributes is {config.eval.attributes}; there is no such file"
        )
    configs.writers(config)


def check_values(config: ConfigDict) -> None:
    """Raises a `UserError` for an invalid value, on any machine: it looks at no file."""
    _check_numbers(config)
    check_split(config.eval.split, "config.eval.split")
    for key, fits, wanted in _RANGES:
        if not fits(get(config, key)):
            raise UserError(f"config.{key} is {f'{get(config, key)!r:.60}'}; it must be {wanted}")
    if config.train.batch_size % config.train.accumulate:
        raise UserError(
            f"config.train.batch_size, {config.train.batch_size}, does not divide into "
            f"config.train.accumulate, {config.train.accumulate}, equal parts"
        )
    for key in ("train.steps", "train.log_every", "train.eval_every"):
        if get(config, key) % config.train.steps_per_call:
            raise UserError(
                f"config.{key} is {get(config, key)}, no multiple of config.train.steps_per_call, "
                f"{config.train.steps_per_call}"
            )
    _check_stages(config)
    _check_folds(config)
    check_thresholds(config.eval.thresholds)
    if config.data.audit_above is not None and config.data.audit is None:
        raise UserError("config.data.audit_above is for labels of a table; set config.data.audit")
    if config.model.flip_cut and not config.model.flip:
        raise UserError("config.model.flip_cut cuts the mirror image; set config.model.flip, too")
    if (config.model.trunk is Ensemble) != bool(config.model.members):
        raise UserError("config.model.members is for, and needed by, the trunk Ensemble")
    for part in (config.model, *config.model.members.values()):
        _check_args(part["args"], deep=0)
    for kind, names in {"task": config.tasks, "set of faces": config.data.sets}.items():
        for name in names:
            check_plain(name, f"a {kind}")
    tasks.check(config.tasks)


def _check_args(value: Any, deep: int) -> None:
    """Bounds the arguments of a trunk, which may come from a file of somebody else."""
    if isinstance(value, Mapping | ConfigDict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        if len(value) > _LONGEST_ARG or deep > _DEEPEST_ARG:
            raise UserError("config.model.args holds more values than describe a network")
        for inner in value:
            _check_args(inner, deep + 1)
    elif isinstance(value, int) and abs(value) > _LARGEST_ARG:
        raise UserError(
            f"config.model.args holds a number over {_LARGEST_ARG:,}; no network has so many"
        )


def _check_numbers(config: ConfigDict) -> None:
    """Only settings whose default is None may be None; no number may be infinite."""
    usual = dict(configs.flat(configs.default().to_dict()))
    for key, value in configs.flat(config.to_dict()):
        if value is None and usual.get(key) is not None:
            raise UserError(f"config.{key} is None; it must be set, such as {usual[key]!r}")
        if isinstance(value, bool) != isinstance(usual.get(key, value), bool):
            raise UserError(f"config.{key} is {value!r}; it must be such as {usual[key]!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"config.{key} is {value}; it must be a finite number")


def check_trainable(config: ConfigDict) -> None:
    """Raises a `UserError` for what cannot be trained: an ensemble, or what nothing teaches."""
    if config.model.members:
        raise UserError(
            "an ensemble is not trained: train its members, then `agejax ensemble` them"
        )
    if config.distil.teacher is None:
        if config.distil.unlabelled is not None:
            raise UserError(
                f"config.distil.unlabelled is {config.distil.unlabelled}, but nothing teaches what "
                f"these faces are; set config.distil.teacher"
            )
    elif config.distil.temperature != 1:
        for name, task in tasks.read(config.tasks).items():
            if not suits_temperature(task.head):
                raise UserError(
                    f"config.distil.temperature is {config.distil.temperature:g}, but the head of "
                    f"{name}, {task.head.__name__}, is no softmax; it must be 1"
                )


def check_source(config: ConfigDict) -> None:
    """Raises a `UserError` where `config.data` sets what its source does not take."""
    args, rest = configs.split_source_args(config)
    usual = configs.default().data.to_dict()
    for key, value in rest.items():
        if value != usual.get(key):
            source, takes = configs.source_of(config).__name__, ", ".join(args)
            raise UserError(f"config.data.{key} is {value!r}, but {source} takes {takes}")


def _check_folds(config: ConfigDict) -> None:
    n = config.data.folds
    if n != 0 and not 3 <= n <= _MOST_FOLDS:
        raise UserError(
            f"config.data.folds is {n}; it must be 0, for none, or from 3 to {_MOST_FOLDS:,}: one "
            f"to test, one to validate, and others to train"
        )
    for key in ("test_folds", "validation_folds"):
        names = config.data[key]
        if not names or not all(type(name) in (int, str) for name in names):
            raise UserError(f"config.data.{key} is {names!r}; it must be names of folds, as (0,)")
    if both := {*map(str, config.data.test_folds)} & {*map(str, config.data.validation_folds)}:
        raise UserError(
            f"config.data: the fold {min(both)} is among both test_folds and validation_folds"
        )


def check_thresholds(given: Any, name: str = "config.eval.thresholds") -> None:
    """Raises a `UserError` unless `given` are ages in whole years, each once."""
    whole = isinstance(given, list | tuple) and all(type(t) is int and 1 <= t < AGES for t in given)
    if not whole or len(set(given)) != len(given):
        raise UserError(
            f"{name} is {f'{given!r:.60}'}; it must be ages in whole years from 1 "
            f"to {AGES - 1}, each once, such as (18, 25)"
        )


def _check_stages(config: ConfigDict) -> None:
    given, most = config.train.stages, config.data.size
    for pair in given:
        if not (
            isinstance(pair, tuple | list)
            and len(pair) == 2
            and all(type(n) is int and n > 0 for n in pair)
            and pair[0] <= most
        ):
            raise UserError(
                f"config.train.stages holds {pair!r}; it must hold pairs of (pixels a side, up to "
                f"config.data.size, {most}; steps)"
            )
        if pair[1] % config.train.steps_per_call:
            raise UserError(
                f"config.train.stages holds {pair!r}, whose steps are no multiple of "
                f"config.train.steps_per_call, {config.train.steps_per_call}"
            )
    if (before := sum(steps for _, steps in given)) >= config.train.steps:
        raise UserError(
            f"config.train.stages take {before} steps of config.train.steps, "
            f"{config.train.steps}: none is left at {most} pixels"
        )
