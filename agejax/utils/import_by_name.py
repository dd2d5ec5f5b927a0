"""Callables by name: how a config that holds them is written down and read."""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from agejax.errors import UserError
from agejax.utils.moved_names import current_name

# Of agejax's own, all that a file may name, by the kind of the setting that names it.
ALLOWED: Mapping[str, Collection[str]] = {
    "source": (
        "agejax.data.imdb_wiki:imdb_wiki",
        "agejax.data.own_faces:own_faces",
        "agejax.data.mixture:mixture",
        "agejax.data.withheld:faces",
    ),
    "trunk": (
        "agejax.models.cnn:SmallCNN",
        "agejax.models.cnn:TutorialCNN",
        "agejax.models.convnext:ConvNeXtT",
        "agejax.models.efficientnet_lite:EfficientNetLite0",
        "agejax.models.efficientnet_lite:EfficientNetLite1",
        "agejax.models.efficientnet_lite:EfficientNetLite2",
        "agejax.models.ensemble:Ensemble",
        "agejax.models.face_resnet:FaceResNet",
        "agejax.models.resnet:ResNet18",
        "agejax.models.resnet:ResNet50",
        "agejax.models.vgg:VGG16",
        "agejax.models.vit:ViTS16",
    ),
    "normalise": (
        "agejax.models.multitask:to_unit",
        "agejax.models.multitask:per_image",
        "agejax.models.multitask:imagenet",
        "agejax.models.face_resnet:to_face",
    ),
    "head": (
        "agejax.models.heads:Softmax",
        "agejax.models.heads:SplineSoftmax",
        "agejax.models.heads:OrdinalCNN",
        "agejax.models.heads:Coral",
        "agejax.models.heads:Regression",
    ),
    "loss": (
        "agejax.losses.row_losses:cross_entropy",
        "agejax.losses.row_losses:label_distribution",
        "agejax.losses.row_losses:expected_label_distribution",
        "agejax.losses.row_losses:mean_variance",
        "agejax.losses.row_losses:sord",
        "agejax.losses.row_losses:ordinal",
        "agejax.losses.row_losses:l1",
        "agejax.losses.robust:generalised_cross_entropy",
        "agejax.losses.robust:bootstrapping",
        "agejax.losses.robust:noise_rate",
    ),
    "balance": (
        "agejax.losses.balance:inverse",
        "agejax.losses.balance:smoothed_inverse",
    ),
    "schedule": (
        "agejax.optim:constant",
        "agejax.optim:cosine",
    ),
    "writer": (
        "agejax.training.loggers.tensorboard:TensorBoard",
        "agejax.training.loggers.weights_and_biases:WandB",
    ),
    "pretrained": (
        "agejax.pretrained:faces",
        "agejax.pretrained.start_from:efficientnet_lite0_imagenet",
        "agejax.pretrained.start_from:efficientnet_lite1_imagenet",
        "agejax.pretrained.start_from:efficientnet_lite2_imagenet",
        "agejax.pretrained.start_from:dlib_faces",
        "agejax.data.withheld:weights",
    ),
}
_OURS = {"agejax", "tfds_imdb_wiki"}  # packages of which that list alone counts


def name_of(value: Callable[..., Any]) -> str:
    """The "module:name" that `resolve` takes.

    Raises:
      UserError: that name means something else, as a lambda's does.
    """
    name = _own_name(value)
    if _found(name) is not value:
        raise UserError(f"config: {name} is not what that name means; give it one of its own")
    return name


def is_name(text: str) -> bool:
    """Whether a text that may be a path, too, is a "module:name"."""
    return re.fullmatch(r"[\w.]+:\w+", text) is not None


def resolve(name: str) -> Callable[..., Any]:
    """What "module:name" names, where the user says so; of a file's names see `trusted`.

    The module is looked for in the current folder, too, which `sys.path` holds meanwhile alone.

    Raises:
      UserError: it cannot be imported.
    """
    with current_folder_searched():
        return _found(name)


def trusted(name: str, kind: str, trust: Collection[str], where: str) -> Callable[..., Any]:
    """What a file's "module:name" names, if that may be run.

    A file that was written by somebody else is data. Importing what it names would run a program of
    its choice, and so would calling what a module of ours merely imports: a name counts only where
    `ALLOWED` has it, or its module is the user's own, and only as that of what is defined there.

    Args:
      name: as the file has it.
      kind: of the setting, a key of `ALLOWED`.
      trust: modules whose code may be run, beside those of the environment variable AGEJAX_TRUST,
        separated by commas; never agejax's own.
      where: names the file and the setting, for errors.

    Raises:
      UserError: nobody has said that it may be run, or it cannot be imported.
    """
    given, name = name, current_name(name)
    module = name.partition(":")[0]
    if name in ALLOWED[kind]:
        found = _found(name)
    elif _is_trusted(module, trust):
        found = resolve(name)
    else:
        ours = module.partition(".")[0] in _OURS
        raise UserError(
            f"{where} names {given}, code that is not agejax's own{' for that' if ours else ''}; "
            + (
                "ALLOWED in agejax/utils/import_by_name.py lists what may stand there"
                if ours
                else f"if you trust it, set the environment variable AGEJAX_TRUST={module}"
            )
        )
    if _own_name(found) != name:
        raise UserError(
            f"{where} names {name}, which is not defined there, but in {_own_name(found)}"
        )
    return found


def _is_trusted(module: str, trust: Collection[str]) -> bool:
    if module.partition(".")[0] in _OURS:
        return False
    trusted = [*trust, *filter(None, os.environ.get("AGEJAX_TRUST", "").split(","))]
    return any(module == m or module.startswith(f"{m}.") for m in trusted)


def _own_name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"


def _found(name: str) -> Callable[..., Any]:
    module, _, attribute = current_name(name).partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:  # the last: of "."
        raise UserError(
            f"config: {name!r} cannot be imported; define it at the top of a module that can be"
        ) from error
    except (Exception, SystemExit) as error:  # the module is a program: anything can go wrong in it
        raise UserError(
            f"config: {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return found


@contextlib.contextmanager
def current_folder_searched() -> Iterator[None]:
    """Within, modules are found in the current folder as well, after everywhere else."""
    try:
        here = os.getcwd()
    except OSError:  # it is gone
        here = ""
    if not here or here in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)
