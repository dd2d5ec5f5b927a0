"""`agejax margin`: how much of a photo the crops of a data set show around the face."""

from itertools import islice
from pathlib import Path
from typing import Any

from agejax.errors import UserError
from agejax.utils.streams import check_stdout


def add(commands: Any) -> None:
    """Declares the command."""
    text = "measure the margin of face crops, for config.data.margin"
    command = commands.add_parser("margin", help=text)
    command.add_argument("crops", nargs="+", type=Path, help="face crops, or folders of them")
    command.add_argument("--most", type=int, default=300, help="crops to look at (300)")
    command.set_defaults(run=run)


def run(crops: list[Path], most: int) -> int:
    """Prints the median margin of crops in which one face is found.

    Raises:
      UserError: a path is not there, or in none of the crops is a single face found.
    """
    check_stdout()
    import numpy as np

    from agejax.data.crop_margin import margins_of
    from agejax.data.decode import BadImage, photo
    from agejax.data.face_detection import Detector
    from agejax.data.image_files import read_whole
    from agejax.inference.sources import images_of

    for path in crops:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")

    def pixels():
        files = [file for file in images_of(crops) if isinstance(file, str | Path)]
        for file in islice(files, 0, None, max(1, len(files) // max(most, 1))):
            try:
                yield photo(read_whole(Path(file)), 512)
            except (BadImage, OSError):
                continue

    margins = margins_of(Detector(), pixels())
    if not margins:
        raise UserError("in none of these crops is a single face found")
    margin = float(np.median(margins))
    print(
        f"{margin:.2f} (median of {len(margins)} crops): --config.data.margin={max(margin, 0):.2f}"
    )
    return 0
