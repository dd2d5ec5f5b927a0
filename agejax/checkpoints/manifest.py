"""What a checkpoint consists of, so that one that was damaged since is not taken for whole.

`MANIFEST.json` in a checkpoint lists the size and the XXH3 hash (128 bits) of every other file, and
a hash of its own. It is written last, once all the others are on the disk: a folder without one was
never finished. It finds damage; against malice it would need a key.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import xxhash

from agejax.utils.atomic_write import sync_file, sync_folder, write_text
from agejax.utils.plain_names import is_inside
from agejax.utils.system_files import is_junk

NAME = "MANIFEST.json"
_CHUNK = 1 << 20
_Entry = tuple[int, str]  # size in bytes and hash of a file


def seal(folder: Path, step: int) -> None:
    """Brings all files of a checkpoint to the disk, and then writes its manifest.

    `step` is told too, so that a checkpoint cannot pass for another one of its run.
    """
    files = sorted(_files(folder))
    with ThreadPoolExecutor(4) as pool:  # the disk writes while the processor hashes
        synced = [pool.submit(sync_file, folder / file) for file in files]
        entries = list(pool.map(lambda file: _entry(folder / file), files))
        for done in synced:
            done.result()
    for inside, _, _ in os.walk(folder):
        sync_folder(Path(inside))
    write_text(folder / NAME, _text(step, dict(zip(files, entries, strict=True))))


def listed(folder: Path) -> dict[str, list]:
    """{name: [size, hash]} of the files of a whole checkpoint."""
    files: dict[str, list] = json.loads((folder / NAME).read_bytes())["files"]
    return files


def identity(folder: Path, items: Collection[str]) -> dict[str, str]:
    """{item: a hash of its files' hashes, 32 digits}, of a whole checkpoint."""
    files = listed(folder)
    of = {item: sorted(f for f in files.items() if f[0].startswith(f"{item}/")) for item in items}
    return {
        item: hashlib.sha256(json.dumps(files).encode()).hexdigest()[:32]
        for item, files in of.items()
    }


def problems(folder: Path, step: int, items: Collection[str] | None = None) -> list[str]:
    """What is wrong with a checkpoint, a short phrase each; nothing where it is whole.

    Args:
      folder: the checkpoint.
      step: which one it is said to be.
      items: the parts to look at, such as "weights"; None for all, and for files that were added.
    """
    if folder.is_symlink():
        return ["it is a symbolic link, which is not followed"]
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return [f"it has no {NAME}: it was not finished, or is of an older version of agejax"]
    except OSError as error:
        return [f"its {NAME} cannot be read ({error.strerror})"]
    try:
        body = json.loads(text)
        their_step = int(body["step"])
        files = {name: (int(size), str(own)) for name, (size, own) in body["files"].items()}
        if not all(map(is_inside, files)):
            return [f"its {NAME} names files outside it"]
        if text.decode() != _text(their_step, files):
            return [f"its {NAME} is damaged"]
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        return [f"its {NAME} is damaged"]
    if outside := [name for name in files if not _is_inside(name)]:
        return [f"its {NAME} names {outside[0][:80]!a}, which is not inside it"]
    if their_step != step:
        return [f"it is the checkpoint of step {their_step:,}, by its {NAME}"]
    # One that was there when the manifest was written comes and goes as it likes.
    files = {n: e for n, e in files.items() if not any(map(is_junk, n.split("/")))}
    if items is None:
        added = set(_files(folder)) - files.keys()
    else:
        added = set()
        files = {n: e for n, e in files.items() if "/" not in n or n.partition("/")[0] in items}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda file: _compared(folder, file, files[file]), sorted(files))
        wrong = [f"{file} {what}" for file, what in zip(sorted(files), found, strict=True) if what]
    return wrong + [f"{file} does not belong to it" for file in sorted(added)]


def _files(folder: Path) -> Iterator[str]:
    """All files below a folder but its manifest and a system's own, by their names from there."""
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_junk(name)]
        for name in names:
            file = Path(inside, name).relative_to(folder).as_posix()
            if file != NAME and not is_junk(name):
                yield file


def _is_inside(name: str) -> bool:
    """Whether it names a file below the folder, by no detour."""
    path = PurePosixPath(name)
    return str(path) == name and not path.is_absolute() and not {"..", "."} & {*path.parts}


def _text(step: int, files: dict[str, _Entry]) -> str:
    body = {"step": step, "files": files}
    own = xxhash.xxh3_128(json.dumps(body).encode()).hexdigest()
    return json.dumps(body | {"xxh3_128": own}, indent=1) + "\n"


def _entry(file: Path) -> _Entry:
    digest, size = xxhash.xxh3_128(), 0
    with file.open("rb", buffering=0) as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _compared(folder: Path, name: str, entry: _Entry) -> str:
    file = folder / name
    try:
        above = (folder / part for part in Path(name).parents)
        if file.is_symlink() or any(map(Path.is_symlink, above)) or not file.is_file():
            return "is missing"
        if (size := file.stat().st_size) != entry[0]:  # cheaper than reading it
            return f"has {size:,} bytes in place of {entry[0]:,}"
        return "" if _entry(file) == entry else "is damaged"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
