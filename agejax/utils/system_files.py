"""What systems and their programs leave in any folder, and nobody there has written.

macOS, Windows, NAS boxes, network file systems and synchronisers do. It belongs to nothing, comes
and goes, and counts neither as damage nor as something that a folder holds.
"""

from collections.abc import Iterator
from pathlib import Path

_NAMES = {
    # macOS
    *(".ds_store", ".localized", ".spotlight-v100", ".trashes", ".fseventsd", ".temporaryitems"),
    *(".documentrevisions-v100", ".apdisk", ".appledouble", "__macosx", "icon\r"),
    # Windows
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin"),
    "system volume information",
    # NAS boxes, snapshots, desktops, synchronisers
    *("@eadir", "#recycle", "#snapshot", ".snapshot", ".snapshots", "lost+found", ".directory"),
    *(".stfolder", ".stversions", ".dropbox", ".dropbox.cache"),
}
_PREFIXES = ("._", ".nfs", ".fuse_hidden", ".trash-", ".smbdelete", ".~lock.", "~$", ".syncthing.")


def is_junk(name: str) -> bool:
    """Whether a file or a folder of that name is a system's own."""
    return name.lower() in _NAMES or name.lower().startswith(_PREFIXES)


def entries(folder: Path) -> Iterator[Path]:
    """What is in a folder, but for that."""
    return (path for path in folder.iterdir() if not is_junk(path.name))
