"""`python -m tfds_imdb_wiki build`: the data set, built without TensorFlow."""

import os
import sys
from pathlib import Path
from typing import Any

from agejax.cli.options import Parser, text_path
from agejax.utils.program import program


@program()
def main() -> None:
    """Entry of `python -m tfds_imdb_wiki`."""
    _leave_current_folder()
    parser = Parser(prog="python -m tfds_imdb_wiki", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="build | paint")
    command: Any = commands.add_parser("build", help="build the data set from its archives")
    command.add_argument("--config", default="imdb", help="imdb (default), wiki or imdb_wiki")
    command.add_argument(
        "--manual_dir", type=text_path, help="the folder of imdb_crop.tar, wiki_crop.tar"
    )
    command.add_argument(
        "--data_dir", type=text_path, help="where to build (~/tensorflow_datasets)"
    )
    command.add_argument("--overwrite", action="store_true", help="build again what is there")
    command.add_argument(
        "--beam_pipeline_options", metavar="NAME=VALUE,...", help="build by Apache Beam, with these"
    )
    command.set_defaults(run=_build)
    command = commands.add_parser("paint", help="write archives of synthetic faces")
    command.add_argument("--manual_dir", type=Path, required=True, help="where to write them")
    command.add_argument("--faces", type=int, default=3000, help="faces an archive (3000)")
    command.add_argument("--seed", type=int, default=0)
    command.set_defaults(run=_paint)
    args = vars(parser.parse_args())
    args.pop("run")(**args)


def _leave_current_folder() -> None:
    """Keeps what lies in the current folder, which `python -m` puts first, from being imported."""
    first = os.path.realpath(sys.path[0])
    if first == os.path.realpath(os.curdir) and Path(first) not in Path(__file__).resolve().parents:
        del sys.path[0]


def _build(**args: Any) -> None:
    from tfds_imdb_wiki.build import build  # TFDS takes a second: not for --help

    print(build(**args, describe=True))


def _paint(manual_dir: Path, faces: int, seed: int) -> None:
    from tfds_imdb_wiki.paint.archive import write_archive

    for kind in ("imdb", "wiki"):
        print(write_archive(manual_dir, kind, faces, seed))


if __name__ == "__main__":
    main()
