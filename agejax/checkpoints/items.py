"""The items of a checkpoint, and whether a checkpoint's arrays are those of a model."""

from typing import Any

from agejax.checkpoints.stored_arrays import Shapes, shapes_of
from agejax.errors import UserError
from agejax.types import TrainState, Tree, weights_of


def items_of(state: TrainState) -> dict[str, dict[str, Any]]:
    """{"weights", "training"}: a state's weights for prediction, and all else of it."""
    shipped = {"ema"} if state["ema"] else {"params", "stats", "ema"}
    training = {key: value for key, value in state.items() if key not in shipped}
    return {"weights": dict(weights_of(state)), "training": training}


def check_same_model(where: str, like: Tree, theirs: Shapes) -> None:
    """Reports a checkpoint of another model in one line, where Orbax would print pages.

    Args:
      where: the checkpoint's name, for errors.
      like: the model's arrays.
      theirs: the shapes of the checkpoint's arrays.

    Raises:
      UserError: they differ.
    """
    ours = shapes_of(like)
    if ours != theirs:
        names = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        name = names[0]
        raise UserError(
            f"{where} is a checkpoint of another model: {len(names)} arrays differ, {name} for "
            f"one, which is {theirs.get(name, 'missing')} there and {ours.get(name, 'missing')} "
            f"here"
        )
