"""What the functions of `agejax` return: the figures of an evaluation and of a comparison.

They are plain dictionaries of numbers, strings and lists, as their JSON files hold them. A key
that is not always there, such as the interval of an error where no label is known, is optional.
Figures of tasks of your own stand beside those of age and gender, under the task's name.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

Interval = list[float]  # low and high end of a 95% bootstrap interval
Curve = Mapping[str, Sequence[float | None]]


class DecodedErrors(TypedDict):
    """Mean absolute errors in years, by how an age is read from its distribution."""

    argmax: float
    mean: float
    median: float


class PredictionInterval(TypedDict, total=False):
    """How often predicted intervals hold the true age, and how wide they are, in years."""

    level: float
    coverage: float | None
    coverage_interval: Interval | None
    width: float


class AgeFigures(TypedDict, total=False):
    """Of ages: errors in years; `cs5` is the share of errors of at most five years."""

    n: int
    mae: DecodedErrors
    mae_interval: Interval | None
    bias: float
    bias_interval: Interval | None
    cs5: float
    cs5_interval: Interval | None
    accuracy: float
    nll: float
    interval: PredictionInterval
    mae_when_set_aside: Mapping[str, float]


class ClassFigures(TypedDict, total=False):
    """Of gender, and of any other task with classes; `nll` is in nats."""

    n: int
    accuracy: float
    accuracy_interval: Interval | None
    nll: float
    ece: float


class Baseline(TypedDict, total=False):
    """What guessing one and the same answer for every face gives."""

    age_mae: float
    age_median: float
    age_cumulative: list[float]
    gender_accuracy: float


class UncalibratedFigures(TypedDict, total=False):
    """Read from the probabilities as the network gives them."""

    age: AgeFigures
    gender: ClassFigures


class ThresholdSide(TypedDict, total=False):
    """Of the faces on one side of a threshold, how many are read as on the other.

    `passed` of those under it, `challenged` of those at or over it; `low` and `high` are the exact
    95% interval of their share. `judged` says whether there are 30 faces or more.
    """

    n: int
    passed: int
    challenged: int
    low: float
    high: float
    judged: bool


class Threshold(TypedDict, total=False):
    """Errors at an age threshold; see `agejax.metrics.thresholds.threshold_figures`."""

    under: ThresholdSide
    over: ThresholdSide
    bands: Mapping[str, ThresholdSide]
    groups: Mapping[str, Mapping[str, Mapping[str, ThresholdSide]]]
    challenge: Mapping[str, Sequence[object]]
    probability: Mapping[str, object]
    kept: Mapping[str, object]


class Figures(TypedDict, total=False):
    """An evaluation; `agejax.evaluation.evaluate.evaluate` says what each figure is."""

    n: int
    step: int
    checkpoint: Mapping[str, str]
    split: str
    left_out: int | None
    unreadable: int
    age: AgeFigures
    gender: ClassFigures
    baseline: Baseline
    uncalibrated: UncalibratedFigures
    calibration: Mapping[str, object]
    groups: Mapping[str, Mapping[str, Mapping[str, object]]]
    worst_to_mean: Mapping[str, float | None]
    interval_over: str
    persons: int | None
    curves: Mapping[str, Mapping[str, object]]
    thresholds: Mapping[str, Threshold]
    equality: Mapping[str, Mapping[str, object]]
    balanced: Mapping[str, Mapping[str, object] | None]
    data: Mapping[str, object]
    config: Mapping[str, object]
    versions: Mapping[str, str]


class ComparedTask(TypedDict):
    """What holds for all sides of a comparison in a task."""

    n: int
    seed_deviation: float | None
    seed_degrees: int
    constant: float | None


class SideTask(TypedDict):
    """One side in a task: the MAE in years for age, else the accuracy, and how it differs."""

    value: float
    interval: Interval | None
    runs: list[float]
    difference: float
    difference_interval: Interval | None
    p: float | None
    p_holm: float | None
    verdict: str


class Side(TypedDict, total=False):
    """One side of a comparison."""

    files: list[str]
    ignored: int
    age: SideTask
    gender: SideTask


class ComparisonFigures(TypedDict):
    """A comparison; `agejax.experiments.compare.compare` says what each figure is."""

    split: str
    n: int
    persons: int | None
    interval_over: str
    against: str
    chosen: bool
    comparisons: int
    tasks: Mapping[str, ComparedTask]
    sides: Mapping[str, Side]


@dataclasses.dataclass(frozen=True)
class BeforeAndAfter:
    """What `calibrate` returns: the figures of the same faces by the old calibration and the new.

    Attributes:
      out: the folder of the new run.
      before: by the calibration that the run had.
      after: by the one that was fitted.
    """

    out: Path
    before: Figures
    after: Figures


@dataclasses.dataclass(frozen=True)
class EachAndTogether:
    """What `ensemble` and `soup` return: the figures of the same faces by each run and by all.

    Attributes:
      out: the folder of the new run.
      each: by each run, in their order.
      together: by the new one.
    """

    out: Path
    each: Sequence[Figures]
    together: Figures


class AuditedLabel(TypedDict):
    """A label of an audit.

    Attributes:
      path: of the image.
      task: "age" or "gender".
      label: as it is given, such as "31", "20-29" or "female".
      read: what the face is read as: years, or "female" or "male".
      low: of ages, the 5% quantile in years.
      high: of ages, the 95% quantile.
      p_wrong: the probability that the label is wrong.
      reason: what speaks against it; "" if nothing does.
    """

    path: str
    task: str
    label: str
    read: float | str
    low: NotRequired[float]
    high: NotRequired[float]
    p_wrong: float
    reason: str


class AuditedTask(TypedDict):
    """Of the labels of a task: how many are known, the share estimated as wrong, those flagged."""

    n: int
    wrong: float
    flagged: int


@dataclasses.dataclass(frozen=True)
class Audited:
    """What `audit` returns.

    Attributes:
      tasks: {"age" | "gender": figures}.
      labels: a line for each known label, the likeliest to be wrong first.
    """

    tasks: Mapping[str, AuditedTask]
    labels: Sequence[AuditedLabel]


@dataclasses.dataclass(frozen=True)
class Artefact:
    """What `export` returns: a file, or a folder, and how it compares with the checkpoint.

    Attributes:
      path: of the file; for "web", of the folder.
      faces: how many were compared.
      kind: which: "test faces of the run's data", or "painted faces".
      probability: the largest difference of a probability.
      years: the largest difference of an age or of an end of its interval.
    """

    path: Path
    faces: int
    kind: str
    probability: float
    years: float
