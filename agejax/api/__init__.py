"""The public functions of `agejax`.

They print nothing unless `progress` is set, raise `UserError` for what their caller can mend, and
leave signal handlers, logging levels, warning filters, the environment and `sys.path` as they are.
"""

from agejax.api.runs import calibrate, compare, ensemble, evaluate, soup, train
from agejax.api.written import audit, export, report
from agejax.figures import Artefact, Audited, BeforeAndAfter, EachAndTogether
from agejax.inference.predictor import Predictor, load

__all__ = [
    "Artefact",
    "Audited",
    "BeforeAndAfter",
    "EachAndTogether",
    "Predictor",
    "audit",
    "calibrate",
    "compare",
    "ensemble",
    "evaluate",
    "export",
    "load",
    "report",
    "soup",
    "train",
]
