"""The five splits of the Facial Age Estimation Benchmark (Paplhám and Franc, CVPR 2024).

    agejax import benchmark AgeDB.json --root DIR -o agedb.csv
    python launch.py --config configs/benchmark.py --config.data.path=agedb.csv
    agejax folds runs/benchmark

AgeDB.json is one of the benchmark's databases, whose persons are in ten folders; AFAD, MORPH and
UTKFace are split in the same way. docs/protocols.md has the published figures.
"""

from pathlib import Path

from agejax import config as configs

_SPLITS = (  # the folders that are tested, and those that validate; the other six train
    ((8, 9), (6, 7)),
    ((0, 1), (8, 9)),
    ((2, 3), (0, 1)),
    ((3, 4), (1, 2)),
    ((4, 5), (2, 3)),
)


def get_config():
    """The network and the schedule of configs/own_faces.py."""
    return configs.from_file(Path(__file__).with_name("own_faces.py"))


def get_sweep():
    """`split0` to `split4`."""
    for i, (test, validation) in enumerate(_SPLITS):
        folds = {"data.test_folds": test, "data.validation_folds": validation}
        yield f"split{i}", {"data.folds": 10, **folds}
