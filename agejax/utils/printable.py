"""Text from elsewhere, such as a file's name, as it may be shown in a terminal."""

import unicodedata

# Controls, what reorders or hides text, lone surrogates, and separators of lines.
_UNSHOWN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # which Persian, Indic scripts and emoji are written with
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def printable(text: str) -> str:
    r"""The text with escapes, as Python writes them, for what a terminal would act on or hide.

    A byte of a file name that is not of the system's encoding becomes `\xNN`.
    """
    if text.isprintable():  # most is
        return text
    return "".join(_escaped(c) for c in text)


def _escaped(c: str) -> str:
    if c in _JOINERS or unicodedata.category(c) not in _UNSHOWN:
        return c
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # how Python passes an odd byte of a file name
        code -= 0xDC00
    width, letter = (2, "x") if code < 0x100 else (4, "u") if code < 0x10000 else (8, "U")
    return _SHORT.get(c, f"\\{letter}{code:0{width}x}")
