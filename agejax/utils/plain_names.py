"""Names that come from a file and become part of a path: plain ones, or none."""

from agejax.errors import UserError

_LONGEST = 200  # bytes; a file's name may have 255, and gets an ending


def is_plain(name: object) -> bool:
    """Whether a name is that of one file or folder: none that leads elsewhere or is hidden."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and 0 < len(name.encode("utf-8", "replace")) <= _LONGEST
        and name == name.strip()
        and not name.startswith((".", "~"))
        and not {"/", "\\"} & set(name)
    )


def check_plain(name: object, what: str) -> None:
    """Raises a `UserError` for a name that is not plain; `what` says whose it is."""
    if not is_plain(name):
        raise UserError(
            f"{what} is called {_short(name)}; a name here is that of one file: printable, "
            f"without / or \\, not beginning with . or ~, at most {_LONGEST} bytes"
        )


def check_split(split: object, what: str = "the split") -> None:
    """Raises a `UserError` for what is no name of a split: "test", or "SET/test" of one set."""
    if not isinstance(split, str) or not all(map(is_plain, split.split("/"))):
        raise UserError(
            f"{what} is called {_short(split)}; a split has a plain name, such as 'test', or that "
            f"of a set before it, such as 'mine/test'"
        )


def is_inside(path: str) -> bool:
    """Whether a path, joined to a folder, stays in it, as far as its words go."""
    return "\0" not in path and {"", ".", ".."}.isdisjoint(path.split("/"))


def _short(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= 80 else f"{text[:77]}..."
