"""agejax: age and gender from a face crop, in JAX.

The public functions are `train`, `evaluate`, `load`, `compare`, `calibrate`, `ensemble`, `soup`,
`report`, `export` and `audit`; docs/api.md has an example of each. They are imported, and JAX with
them, when one is first asked for.
"""

from importlib import import_module as _import_module
from importlib.metadata import PackageNotFoundError as _PackageNotFoundError
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from agejax.errors import Stopped as Stopped
from agejax.errors import UserError as UserError

if TYPE_CHECKING:
    from agejax.api import Artefact as Artefact
    from agejax.api import Audited as Audited
    from agejax.api import BeforeAndAfter as BeforeAndAfter
    from agejax.api import EachAndTogether as EachAndTogether
    from agejax.api import Predictor as Predictor
    from agejax.api import audit as audit
    from agejax.api import calibrate as calibrate
    from agejax.api import compare as compare
    from agejax.api import ensemble as ensemble
    from agejax.api import evaluate as evaluate
    from agejax.api import export as export
    from agejax.api import load as load
    from agejax.api import report as report
    from agejax.api import soup as soup
    from agejax.api import train as train

try:
    __version__ = _version("agejax")
except _PackageNotFoundError:  # a checkout on PYTHONPATH, where nothing can be installed
    __version__ = "unknown"

_FUNCTIONS = (
    *("audit", "calibrate", "compare", "ensemble", "evaluate", "export", "load", "report"),
    *("soup", "train"),
)
_TYPES = ("Artefact", "Audited", "BeforeAndAfter", "EachAndTogether", "Predictor")


def __getattr__(name: str) -> object:
    """Imports a public function when it is first asked for."""
    if name not in (*_FUNCTIONS, *_TYPES):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(_import_module("agejax.api"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Also what is not imported yet."""
    return sorted({*globals(), *_FUNCTIONS, *_TYPES})
