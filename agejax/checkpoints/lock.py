"""One run a folder."""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agejax.errors import UserError
from agejax.utils.files import check_no_links, no_link, within
from agejax.utils.notes import note

NAME = ".lock"
# What a run writes to in place, and where it makes files.
_FILES = ("metrics.jsonl", "refused.jsonl", "export", "wandb")
_FOLDERS = ("checkpoints", "eval", "profile", "tensorboard")
_UNSUPPORTED = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}


@contextlib.contextmanager
def one_run(workdir: Path) -> Iterator[None]:
    """Holds `workdir`, which is made, for this process; `workdir/.lock` names it meanwhile.

    The kernel gives the lock back when its process ends, however it ends, so that one that a dead
    run has left is simply taken over. On a file system without locks the owner's name decides.

    Raises:
      UserError: another run holds it, or there is a symbolic link in it where it is written to.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    file = workdir / NAME
    _check_links(workdir)
    descriptor = no_link(str(file), os.O_RDWR | os.O_CREAT)
    try:
        if not _taken(descriptor):
            raise UserError(_refusal(workdir, file))
        if left := _owner(file):
            note(f"{workdir}: taken over from a run that died ({_said(left)})")
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_ourselves()).encode(), 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the disk may be gone, which is told already
                os.truncate(descriptor, 0)  # not removed: others have opened this very file
    finally:
        os.close(descriptor)


def _check_links(workdir: Path) -> None:
    """Raises a `UserError` for a symbolic link through which a run would write elsewhere."""
    for name in _FILES:
        within(workdir, name)
    for name in _FOLDERS:
        check_no_links(workdir / name)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return not _lives(_read(descriptor))
    return True


def _lives(owner: dict[str, Any]) -> bool:
    """Whether the process is there, and is not another that got its number since."""
    if not owner or owner.get("host") != socket.gethostname():
        return bool(owner)  # on another machine: it cannot be known
    pid = owner.get("pid")
    return isinstance(pid, int) and pid != os.getpid() and _birth(pid) == owner.get("birth")


def _refusal(workdir: Path, file: Path) -> str:
    owner = _owner(file)
    said = f": {_said(owner)}" if owner else ""
    return (
        f"{workdir}: another run is at work there{said}; wait for it, stop it, or give this one "
        f"its own --workdir"
    )


def _owner(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return _read(opened.fileno())


def _read(descriptor: int) -> dict[str, Any]:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, RecursionError):  # empty, not written whole, or not ours
        return {}
    return owner if isinstance(owner, dict) else {}


def _said(owner: dict[str, Any]) -> str:
    return f"process {owner.get('pid')} on {owner.get('host')}, since {owner.get('since')}"


def _ourselves() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "birth": _birth(os.getpid()),
    }


def _birth(pid: int) -> str | None:
    """When a process was started, in ticks since the machine was; None where it is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()  # a program's name is of any encoding
    except OSError:
        return None
    return stat.rpartition(b")")[2].split()[19].decode()
