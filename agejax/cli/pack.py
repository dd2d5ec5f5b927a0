"""`agejax pack`: a table of faces and its images in one folder, which opens at once."""

from pathlib import Path
from typing import Any

from agejax.cli.options import text_path


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("pack", help="put a table of faces and its images in one folder")
    command.add_argument("table", type=Path, help="a .csv, .tsv, .jsonl or .parquet file")
    command.add_argument("folder", type=Path, help="where to; it must not be there yet")
    text = "the folder that paths start from (the table's own)"
    command.add_argument("--root", type=text_path, help=text)
    command.set_defaults(run=run)


def run(table: Path, folder: Path, root: str | None) -> int:
    """Packs a table; training on the folder is training on the table, to the bit.

    Raises:
      UserError: a row or an image cannot be used, or the folder is there.
    """
    from agejax.data.own_faces import open_table
    from agejax.data.tables.packed import check_free, pack

    check_free(folder)
    faces, splits = open_table(table, root)
    pack(faces, splits, folder)
    print(f"{folder}: {len(faces):,} faces; train with --config.data.path={folder}")
    return 0
