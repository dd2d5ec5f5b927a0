"""Options that several commands have."""

import argparse
import ast
from pathlib import Path
from typing import Any

from agejax.errors import UserError
from agejax.utils.paths import expanded


class Parser(argparse.ArgumentParser):
    """One whose paths are what a person means: `--out=~/x`, which no shell expands, is in home.

    A `None` that is written out for an option that need not be given is as none.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        """As `argparse.ArgumentParser`."""
        super().__init__(*args, **kwargs)
        self.register("type", Path, lambda text: expanded(Path(text)))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As `argparse.ArgumentParser`."""
        found, rest = super().parse_known_args(args, namespace)
        for action in self._actions:
            given = getattr(found, action.dest, None)
            optional = action.option_strings and action.default is None and not action.required
            if optional and str(given) == "None":
                setattr(found, action.dest, None)
        return found, rest


def text_path(text: str) -> str:
    """The type of an option that is a path, and stays text."""
    return expanded(text)


def names(text: str) -> tuple[str, ...]:
    """The type of an option that is names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def setting(text: str) -> tuple[str, Any]:
    """The key and the value of a setting that is given as KEY=VALUE.

    Raises:
      UserError: it is not.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: give it as KEY=VALUE, such as data.manual_dir=DIR")
    try:
        return key.removeprefix("config."), ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key.removeprefix("config."), value


def add_places(command: Any, whose: str = "the run") -> None:
    """`--manual-dir` and `--data-dir`: where the data of `whose` lies now; see `places`."""
    for name, of in (("manual", "the archives"), ("data", "built data")):
        text = f"of {of}, where not that of {whose}"
        command.add_argument(f"--{name}-dir", type=text_path, help=text)


def places(manual_dir: str | None, data_dir: str | None) -> dict[str, Any]:
    """The settings that these options change."""
    named = {"data.manual_dir": manual_dir, "data.data_dir": data_dir}
    return {key: value for key, value in named.items() if value is not None}


def add_thresholds(command: Any) -> None:
    """`--threshold`: ages, of which the probability to be reached is read."""
    text = (
        "the probability to be of this age or older, too; may be repeated (of the ages for which "
    )
    text += "the run has a challenge age)"
    command.add_argument("--threshold", type=int, action="append", metavar="YEARS", help=text)


def add_teachers(command: Any, whose: str = "the run") -> None:
    """`--faces`, `--split` and `--checkpoint`: who teaches a calibration, and which weights."""
    text = f"a table of your own to teach the calibration, in place of {whose}'s data"
    command.add_argument("--faces", type=text_path, help=text)
    command.add_argument("--split", default="validation", help="whose faces teach (validation)")
    command.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
