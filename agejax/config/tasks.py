"""The tasks of a config, such as age and gender, each with its head, loss and balance."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from ml_collections import FieldReference

from agejax.errors import UserError
from agejax.labels import GENDER_NAMES
from agejax.losses.row_losses import RowLoss, cross_entropy, with_ranges
from agejax.models.heads import Softmax
from agejax.utils.import_by_name import resolve


@dataclasses.dataclass(frozen=True)
class Task:
    """One task. A config sets `classes`; all other attributes have defaults.

    Attributes:
      classes: how many there are; labels are 0 to classes - 1.
      weight: in the loss, relative to the other tasks'.
      head: an nnx.Module class, of agejax.models.heads.
      loss: (logits [B, ...], label [B], **loss_args) -> [B], of agejax.losses.row_losses, or of
        agejax.losses.robust where labels are wrong.
      loss_args: its settings.
      balance: None, or (counts [classes], **balance_args) -> weights [classes], of
        agejax.losses.balance.
      balance_args: its settings.
      logit_adjustment: how far predictions are moved towards rare classes, once trained: 0 not at
        all, 1 as if all were equally frequent; see agejax.losses.balance.logit_offset.
      names: of the classes, in their order; a column of a table of faces holds these. With them
        `classes` can be left out. Without: female and male of gender, else 0, 1, 2, ...
      drop: the share of a batch's known labels, those of the largest losses, that is left out; see
        agejax.losses.selection. 0: none.
      drop_steps: over which it rises from 0.
    """

    classes: int
    weight: float = 1.0
    head: Any = Softmax
    loss: Any = cross_entropy
    loss_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    balance: Any = None
    balance_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    logit_adjustment: float = 0.0
    names: tuple[str, ...] = ()
    drop: float = 0.0
    drop_steps: int = 0

    @property
    def row_loss(self) -> RowLoss:
        """(logits, label) -> [B], its settings given; also (logits, first, last), of ranges."""
        return self.row_loss_by()

    def row_loss_by(self, shares: Sequence[float] | None = None) -> RowLoss:
        """`row_loss`, where the setting `shares` is "training": [classes], how common each is.

        None: all alike. A loss of ranges gets those settings that its signature names.
        """
        args = dict(self.loss_args)
        if args.get("shares") == "training":
            args["shares"] = shares
        loss = functools.partial(self.loss, **args)
        of_range = getattr(self.loss, "of_range", None)
        if not of_range:
            return loss
        takes = inspect.signature(of_range).parameters
        own = {key: value for key, value in args.items() if key in takes}
        return with_ranges(loss, functools.partial(of_range, **own) if own else of_range)


_CALLABLE = ("head", "loss", "balance")
_MOST = 100_000  # classes
# Keys of logs and evaluations that a task must not have.
_TAKEN = (
    *("step", "loss", "refused", "images_per_second", "input_wait", "validation", "n", "split"),
    *("left_out", "unreadable", "baseline", "data", "config", "versions", "uncalibrated"),
    *("calibration", "groups", "worst_to_mean", "interval_over", "persons", "curves", "thresholds"),
    *("equality", "balanced"),
)


def read(tasks: Mapping[str, Any]) -> dict[str, Task]:
    """{name: Task} of `config.tasks`; callables may be given as "module:name".

    Raises:
      UserError: a task has no `classes`, or a key that there is not.
    """
    return {name: _read(name, task) for name, task in tasks.items()}


def _read(name: str, given: Mapping[str, Any]) -> Task:
    settings = dict(given.items())
    for key in _CALLABLE:
        if isinstance(settings.get(key), str):
            settings[key] = resolve(settings[key])
    for key in ("loss_args", "balance_args"):
        settings[key] = dict(settings.get(key, {}))
    settings["names"] = names = tuple(settings.get("names", ()))
    if names:
        settings.setdefault("classes", len(names))
    try:
        return Task(**settings)
    except TypeError as error:
        keys = ", ".join(field.name for field in dataclasses.fields(Task))
        raise UserError(f"config.tasks.{name} takes {keys}, of which classes is needed") from error


def class_names(name: str, task: Task) -> tuple[str, ...]:
    """The names of a task's classes: the config's, or the default ones."""
    if task.names:
        return task.names
    return GENDER_NAMES if name == "gender" else tuple(map(str, range(task.classes)))


def plain(tasks: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`config.tasks` with all defaults filled in."""
    return {
        name: {field.name: getattr(task, field.name) for field in dataclasses.fields(Task)}
        for name, task in read(tasks).items()
    }


def settable(tasks: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`plain`, for a ConfigDict whose callables may be set by name on a command line."""
    whole = plain(tasks)
    for task in whole.values():
        for key in _CALLABLE:  # of `object`: what absl's flags of ml_collections take strings for
            task[key] = FieldReference(task[key], field_type=object)
    return whole


def check(tasks: Mapping[str, Any]) -> None:
    """Raises a `UserError` for an invalid task, or one whose head and loss do not match."""
    for name in ("age", "gender"):  # what predictions and reports are made of
        if name not in tasks:
            raise UserError(
                f"config.tasks has no {name}; to train without it, set config.tasks.{name}.weight=0"
            )
    for name, task in read(tasks).items():
        where = f"config.tasks.{name}"
        if name in _TAKEN:
            raise UserError(f"{where}: figures have a {name!r} of another kind; rename the column")
        if not (isinstance(task.classes, int) and 2 <= task.classes <= _MOST):
            raise UserError(f"{where}.classes is {task.classes!r}; it must be from 2 to {_MOST:,}")
        if not all(isinstance(of, str) for of in task.names):
            raise UserError(f"{where}.names are {list(task.names)!r:.80}; they must be words")
        if task.names and len(set(task.names)) != task.classes:
            raise UserError(f"{where}: {task.classes} classes, but the names {list(task.names)}")
        if not (isinstance(task.weight, int | float) and 0 <= task.weight < math.inf):
            raise UserError(f"{where}.weight is {task.weight!r}; it must be at least 0")
        if not (isinstance(task.head, type) and issubclass(task.head, nnx.Module)):
            raise UserError(f"{where}.head is {task.head!r}; it must be an nnx.Module class")
        if not (isinstance(task.drop, int | float) and 0 <= task.drop < 1):
            raise UserError(f"{where}.drop is {task.drop!r}; it must be at least 0 and below 1")
        if not (type(steps := task.drop_steps) is int and steps >= 0):
            raise UserError(f"{where}.drop_steps is {steps!r}; it must be a whole number from 0 on")
        if not callable(task.loss):
            raise UserError(f"{where}.loss is {task.loss!r}; it must be a function")
        if not (task.balance is None or callable(task.balance)):
            raise UserError(f"{where}.balance is {task.balance!r}; it must be None or a function")
        if not (isinstance(by := task.logit_adjustment, int | float) and 0 <= by <= 1):
            raise UserError(f"{where}.logit_adjustment is {by!r}; it must be from 0 to 1")
        _check_loss(where, task)
        if task.balance:
            balance_weights(where, task, np.ones(task.classes, int))
    if not sum(task.weight for task in read(tasks).values()) > 0:
        raise UserError("config.tasks: no task has a weight above 0")


def _check_loss(where: str, task: Task) -> None:
    loss, head = (getattr(x, "__name__", repr(x)) for x in (task.loss, task.head))
    if (heads := getattr(task.loss, "heads", None)) and not issubclass(task.head, heads):
        suited = " or ".join(x.__name__ for x in heads)
        raise UserError(f"{where}: the loss {loss} suits a head {suited}, not {head}")

    args = tuple(task.loss_args.items())
    simple = all(isinstance(value, int | float | str) for _, value in args)
    tried = _tried if simple and isinstance(task.loss, Hashable) else _tried.__wrapped__
    try:
        shape = tried(task.head, task.classes, task.loss, args)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        line = str(error).partition("\n")[0]
        raise UserError(
            f"{where}: the loss {loss}, with its loss_args, does not suit {head}: {line}"
        ) from error
    if shape != (3,):
        raise UserError(f"{where}: the loss {loss} gives {shape} for 3 faces, not one for each")


@functools.lru_cache(maxsize=64)
def _tried(
    head: Callable[..., Any], classes: int, loss: RowLoss, args: tuple[tuple[str, Any], ...]
) -> tuple[int, ...]:
    """The shape of a loss of 3 faces, tried on nothing: it costs milliseconds, once."""
    task = Task(classes, head=head, loss=loss, loss_args=dict(args))

    def rows() -> jax.Array:
        made = task.head(1, task.classes, dtype=jnp.float32, rngs=nnx.Rngs(0))
        return task.row_loss(made(jnp.zeros((3, 1))), jnp.zeros(3, jnp.int32))

    return jax.eval_shape(rows).shape


def check_faces(
    tasks: Mapping[str, Task],
    known: Mapping[str, np.ndarray],
    upto: Mapping[str, np.ndarray],
    taught: Collection[str] = (),
) -> None:
    """Raises a `UserError` for a task that cannot be trained on these labels, {task: [N]}.

    Those `taught` by another model need none.
    """
    for name, task in tasks.items():
        if task.weight and name not in taught and not known[name].any():
            raise UserError(
                f"no training face has a known {name}; to train without it, set "
                f"config.tasks.{name}.weight=0"
            )
        if name in upto and not getattr(task.loss, "of_range", None):
            raise UserError(
                f"config.tasks.{name}.loss: {getattr(task.loss, '__name__', task.loss)} knows no "
                f"labels that are ranges, which some faces have; see agejax.losses.row_losses.suits"
            )


def balance_weights(where: str, task: Task, counts: np.ndarray) -> np.ndarray:
    """float32 [classes]: the weights of a balanced task for these counts, int or float [classes].

    Raises:
      UserError: the balance does not take its settings or these counts.
    """
    balance: Callable[..., np.ndarray] = task.balance
    try:
        weights = np.asarray(balance(counts, **task.balance_args), np.float32)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{where}: the balance {getattr(balance, '__name__', balance)!r}, with its "
            f"balance_args, fails: {error}"
        ) from error
    if weights.shape != counts.shape or not np.isfinite(weights).all() or (weights < 0).any():
        raise UserError(f"{where}: the balance gives no finite weight for each class")
    return weights
