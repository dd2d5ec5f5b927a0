"""Replaces the data named in the config of an untrusted run.

`agejax.checkpoints.own_data` puts these in place. They open nothing, and say why.
"""

from typing import Any, NoReturn

from agejax.errors import UserError

_YOURS = "if the run is yours, name its folder in the environment variable AGEJAX_OWN_RUNS"


def faces(split: str, **settings: Any) -> NoReturn:
    """No faces.

    Raises:
      UserError: always.
    """
    del split, settings
    raise UserError(
        "the data that this run names were not used by you here, so they are not opened; name "
        "yours (--config.data..., --faces, --manual-dir, --data-dir, or --set data...), do without "
        f"(report --no-faces), or, {_YOURS}"
    )


def weights() -> NoReturn:
    """No weights to start from.

    Raises:
      UserError: always.
    """
    raise UserError(
        f"the file that this run started from was not named by you here, so it is not opened; "
        f"{_YOURS}"
    )
