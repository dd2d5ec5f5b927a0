"""Writes a model for another runtime and verifies it there before keeping it."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from ml_collections import ConfigDict

import agejax
from agejax.data.decode import decode
from agejax.errors import UserError
from agejax.evaluation.open_split import open_split
from agejax.exporters.function import Readings, Trained, read
from agejax.labels import GENDERS
from agejax.metrics.calibration import LEVEL, calibrated
from agejax.steps.step_factory import predict_step_of
from agejax.training.loggers.writers import write_text
from agejax.utils.files import replacing
from agejax.utils.import_by_name import name_of

TOLERANCE = 1e-4  # maximum difference of a probability
_YEARS = 0.01  # maximum difference of an age from the decoding of its own distribution
_FACES = 64  # faces compared


class Format(Protocol):
    """A module that writes and reads one file format."""

    SUFFIX: str
    DTYPE: Any

    def write(self, trained: Trained, file: Path, metadata: Mapping[str, str]) -> None: ...  # noqa: D102

    def read(self, file: Path) -> Callable[[np.ndarray], Readings]: ...  # noqa: D102

    def versions(self) -> dict[str, str]: ...  # noqa: D102


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The differences between an export and its checkpoint.

    Attributes:
      faces: number of faces compared.
      kind: "test faces of the run's data", or "painted faces".
      probability: the largest difference of a probability.
      years: the largest difference of an age or an end of its interval.
      own_years: the largest difference of an age from the decoding of its own distribution.
    """

    faces: int
    kind: str
    probability: float
    years: float
    own_years: float


def export(trained: Trained, file: Path, form: Format) -> Comparison:
    """Writes a model and its sidecar `FILE.json`; neither is kept unless verification passes.

    Args:
      trained: the model.
      file: the output file.
      form: the module of the file format.

    Raises:
      UserError: its runtime gives other probabilities than the checkpoint, or it cannot be written.
    """
    about = description(trained)
    crops, kind = faces_of(trained.config)
    sidecar = file.with_name(file.name + ".json")
    with replacing(file) as temporary:
        form.write(trained, temporary, {"agejax": json.dumps(about)})
        found = compare(form.read(temporary), trained, crops, kind)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        about |= {
            "file": {"name": file.name, "sha256": digest, "bytes": temporary.stat().st_size},
            "versions": about["versions"] | form.versions(),
            "checked": dataclasses.asdict(found),
        }
        sidecar.unlink(missing_ok=True)  # it describes the file that is now replaced
    write_text(sidecar, json.dumps(about, indent=2) + "\n")
    return found


def compare(
    artefact: Callable[[np.ndarray], Readings],
    trained: Trained,
    crops: np.ndarray,
    kind: str,
    tolerance: float = TOLERANCE,
) -> Comparison:
    """Compares both on the same crops; the artefact gets a single crop first, then the rest.

    Raises:
      UserError: a probability differs by more than `tolerance`, or an age by more than 0.01 years
        from the decoding of its own distribution.
    """
    ours = read_by_jax(trained, crops)
    parts = [artefact(part) for part in np.split(crops, [1]) if len(part)]
    theirs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if theirs.keys() != ours.keys():
        raise UserError(
            f"the export has the outputs {', '.join(theirs)}, not {', '.join(ours)}; not kept"
        )
    decoded = read(
        {name.removesuffix("_probabilities"): p for name, p in theirs.items() if p.ndim == 2},
        trained.calibration,
    )
    of_faces = [name for name, p in ours.items() if p.ndim == 2]
    of_years = [name for name, p in ours.items() if p.ndim == 1]
    found = Comparison(
        faces=len(crops),
        kind=kind,
        probability=_largest(ours, theirs, of_faces),
        years=_largest(ours, theirs, of_years),
        own_years=_largest(decoded, theirs, of_years),
    )
    if not found.probability <= tolerance:
        raise UserError(
            f"the export's probabilities differ from the checkpoint's by {found.probability:.1e} "
            f"on {kind}, more than {tolerance:.0e}; it was not kept"
        )
    if not found.own_years <= _YEARS:
        raise UserError(
            f"the export's ages are {found.own_years:.2g} years off from its own distributions; "
            f"it was not kept"
        )
    return found


def read_by_jax(trained: Trained, crops: np.ndarray) -> Readings:
    """The readings of crops as evaluation and prediction compute them."""
    step = predict_step_of(trained.config, trained.graph)
    p = jax.device_get(step(trained.weights, crops))
    return read(calibrated(p, trained.calibration), trained.calibration)


def _largest(a: Readings, b: Readings, names: list[str]) -> float:
    return max((float(np.abs(a[name] - b[name]).max()) for name in names), default=0.0)


def faces_of(config: ConfigDict) -> tuple[np.ndarray, str]:
    """Crops to compare on, uint8 [N, size, size, 3], and their kind.

    They are from the run's own test split, or painted if its data cannot be opened.
    """
    size = config.data.size
    try:
        faces = open_split(config, config.eval.split)
        rows = np.linspace(0, len(faces) - 1, min(_FACES, len(faces))).astype(int)
        crops = np.stack([decode(jpeg, size) for jpeg in faces.read(faces.rows[rows])])
        return crops, f"{config.eval.split} faces of the run's data"
    except (UserError, OSError):
        return _painted(size), "painted faces"


def _painted(size: int) -> np.ndarray:
    from tfds_imdb_wiki.paint.face import paint_face

    rng = np.random.default_rng(0)
    ages = np.linspace(0, 100, _FACES // 4).astype(int).tolist()
    painted = [paint_face(age, i % 2, rng, max(size, 8)) for i, age in enumerate(ages)]
    return np.stack([np.asarray(image.resize((size, size))) for image in painted])


def description(trained: Trained) -> dict[str, Any]:
    """The contents of the sidecar that do not depend on the runtime."""
    config, size = trained.config, trained.config.data.size
    outputs: dict[str, Any] = {
        f"{task}_probabilities": {
            "shape": ["batch", config.tasks[task].classes],
            "dtype": "float32",
            "meaning": f"calibrated probability of each class of {task}",
        }
        for task in config.tasks
    }
    meanings = {
        "age": "years, the median of the distribution",
        "age_low": f"years; lower end of the {LEVEL:.0%} interval of the true age",
        "age_high": f"years; upper end of the {LEVEL:.0%} interval of the true age",
    }
    if "age" in config.tasks:
        for name, meaning in meanings.items():
            outputs[name] = {"shape": ["batch"], "dtype": "float32", "meaning": meaning}
    labels: dict[str, list] = {
        task: list(range(config.tasks[task].classes)) for task in config.tasks
    }
    labels |= {"gender": list(GENDERS)} if "gender" in config.tasks else {}
    return {
        "what": "age and gender from face crops, by agejax",
        "input": {
            "name": "image",
            "shape": ["batch", size, size, 3],
            "dtype": "uint8",
            "meaning": "RGB face crops in 0..255, upright; the model normalises them",
        },
        "outputs": outputs,
        "labels": labels,
        "crop": {
            "size": size,
            "margin": trained.margin.margin,
            "margin_doubt": trained.margin.doubt,
            "meaning": "a square around the face: its longer side, extended at both ends by margin",
        },
        "model": {
            "trunk": name_of(config.model.trunk),
            "members": [name_of(member.trunk) for member in config.model.members.values()],
            "computes_in": config.model.dtype,
            "mirrored_too": config.model.flip,
            "mirror_cut": config.model.flip_cut,
            "step": trained.step,
            "sha256": trained.sha256(),
        },
        "calibration": dataclasses.asdict(trained.calibration),
        "data_licence": trained.licence,
        "versions": {"agejax": agejax.__version__, "jax": jax.__version__},
    }


def export_lines(path: Path, trained: Trained, found: Comparison) -> list[str]:
    """A summary of an export, for printing."""
    lines = [
        f"{path}: step {trained.step}; on {found.faces} {found.kind} its probabilities are within "
        f"{found.probability:.0e} of the checkpoint's, its ages within {found.years:.0e} years"
    ]
    if trained.trained_in != trained.config.model.dtype:
        lines.append(
            f"the export and the checkpoint were compared in {trained.config.model.dtype}; the run "
            f"itself computes in {trained.trained_in}, with slightly different results"
        )
    if trained.margin.doubt:
        lines.append(f"note: {trained.margin}; set it by --margin")
    if licence := trained.licence:
        lines.append(f"licence of the training data: {licence}")
    return lines
