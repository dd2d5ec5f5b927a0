"""Options that several commands have."""

from typing import Any


def add_places(command: Any, whose: str = "the run") -> None:
    """`--manual-dir` and `--data-dir`: where the data of `whose` lies now; see `places`."""
    for name, of in (("manual", "the archives"), ("data", "built data")):
        command.add_argument(f"--{name}-dir", help=f"of {of}, where not that of {whose}")


def places(manual_dir: str | None, data_dir: str | None) -> dict[str, Any]:
    """The settings that these options change."""
    named = {"data.manual_dir": manual_dir, "data.data_dir": data_dir}
    return {key: value for key, value in named.items() if value is not None}


def add_teachers(command: Any, whose: str = "the run") -> None:
    """`--faces`, `--split` and `--checkpoint`: who teaches a calibration, and which weights."""
    text = f"a table of your own to teach the calibration, in place of {whose}'s data"
    command.add_argument("--faces", help=text)
    command.add_argument("--split", default="validation", help="whose faces teach (validation)")
    command.add_argument("--checkpoint", default="best", help="best (default), latest or a step")
