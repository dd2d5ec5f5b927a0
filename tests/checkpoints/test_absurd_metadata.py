"""What JSON of a run holds: values are checked, in one line; hashes that fit prove nothing."""

import json
import shutil

import numpy as np
import pytest

from agejax import config as configs
from agejax.checkpoints import manifest
from agejax.checkpoints.checkpoint import Checkpoints
from agejax.checkpoints.provenance import read_sessions
from agejax.checkpoints.run_dir import config_of, licence_of, of_the_run
from agejax.checkpoints.stored_arrays import stored_shapes
from agejax.errors import UserError
from agejax.experiments.compare import _constant
from agejax.experiments.sweep import _figures, is_done
from agejax.metrics.calibration import Calibration
from agejax.reports.evaluation import _lines
from agejax.training.loggers.writers import MetricsLog
from agejax.types import weights_of
from tests.saved import save, state
from tests.tiny import get_config

NAN, INF, HUGE = float("nan"), float("inf"), 10**400
DEEP = "[" * 100_000
SHAPES = ("", "null", "3", '"x"', "[]", "[1]", "\udcff", DEEP, '{"a":' * 9000)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    checkpoints = Checkpoints(folder)
    of = Calibration({"age": 1.5}, {"age": 0.1}, 9, {"age": [0.0] * 101})
    checkpoints.save(state(1), configs.to_json(get_config()), 5.0, of)
    return folder


@pytest.fixture
def sealed(saved, tmp_path):
    """Writes a file of a checkpoint, with hashes that fit, and gives what reads it."""
    run = shutil.copytree(saved, tmp_path / "run")

    def write(name, text):
        file = run / "checkpoints" / "1" / name
        file.write_bytes(text.encode(errors="surrogateescape"))
        manifest.seal(run / "checkpoints" / "1", 1)
        return Checkpoints(run, read_only=True)

    return write


def test_what_was_saved_is_read(saved):
    checkpoints = Checkpoints(saved, read_only=True)
    assert checkpoints.find("best") == 1
    assert checkpoints.calibration(1).offset == {"age": [0.0] * 101}
    assert config_of(checkpoints, 1).data.size == 16


CALIBRATIONS = (
    *(json.dumps({"temperature": {"age": t}}) for t in (0, -1, NAN, INF, "1", True, [], None)),
    *(json.dumps({"temperature": {"age": t}}) for t in (HUGE, 1e-300, 1e300)),
    *(json.dumps({"widening": {"age": x}}) for x in (NAN, INF, "x", [1], HUGE)),
    *(json.dumps({"offset": {"age": x}}) for x in ([], [1, 2], 1, [1e9] * 101, [NAN] * 101)),
    *(json.dumps({"n": n}) for n in (-1, 1.5, "x", True, HUGE)),
    *(json.dumps({name: 3}) for name in ("temperature", "widening", "offset", "more")),
    *SHAPES,
)  # fmt: skip


@pytest.mark.parametrize("text", CALIBRATIONS, ids=lambda text: ascii(text[:40]))
def test_a_calibration_is_one_or_is_refused(sealed, text):
    with pytest.raises(UserError, match=r"/1(/calibration/metadata)?: ") as error:
        sealed("calibration/metadata", text).calibration(1)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("text", [*SHAPES, '{"mae": "3"}', '{"mae": {}}', '{"mae": -1}',
                                  '{"mae": true}', '{"mae": 1e999}', json.dumps({"mae": HUGE})],
                         ids=lambda text: ascii(text[:40]))  # fmt: skip
def test_metrics_are_figures_or_are_refused(sealed, text):
    with pytest.raises(UserError, match="cannot be read|metrics are odd") as error:
        sealed("metrics/metrics", text).find("best")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("text", ['{"mae": null}', '{"mae": NaN}', "{}"])
def test_a_checkpoint_without_a_figure_is_the_latest_alone(sealed, text):
    assert sealed("metrics/metrics", text).find("best") == 1


def config_with(key, value):
    config = json.loads(configs.to_json(get_config()))
    *sections, last = key.split(".")
    holder = config
    for section in sections:
        holder = holder[section]
    holder[last] = value
    return json.dumps(config)


VALUES = (
    *(("data.size", x) for x in (0, -5, 10**6, 10**30, "x", None, {}, [1], True, 16.0)),
    *(("model.args", x) for x in ("x", [], {"depths": [10**9]}, {"widths": [[[1]] * 2000]})),
    ("model.args", json.loads('{"widths":' + "[" * 100 + "]" * 100 + "}")),
    *(("model.head_width", x) for x in (-1, 10**9)),
    *(("model.flip_cut", x) for x in (0.9, float("nan"))),
    *(("model.members", x) for x in ("x", [], {"a": 1}, {"a": {}})),
    *(("data", x) for x in (None, [], 3, "x")),
    *(("tasks", x) for x in ({}, [], "x", {"age": {"classes": 101}}, {"age": 3})),
    *(("tasks.age.classes", x) for x in (0, 10**9, "x", None)),
    *(("tasks.age.names", x) for x in ([1, 2], [[], {}], 5)),
    *(("data.margin", x) for x in (-1, 99, float("inf"), "x")),
    *(("train.batch_size", x) for x in (0, 10**12)),
    *(("eval.batch_size", x) for x in (0, 10**12, {})),
    *(("seed", x) for x in (-1, 2**40, "x")),
    *(("train.stages", x) for x in ("x", [[1]], 5)),
    ("model.dtype", "float8"),
)  # fmt: skip


@pytest.mark.parametrize(("key", "value"), VALUES, ids=lambda x: f"{x!a:.30}")
def test_a_config_that_cannot_be_meant_is_refused_wherever_it_is_read(sealed, key, value):
    text = config_with(key, value)
    checkpoints = sealed("config/metadata", json.dumps({"json": text}))
    with pytest.raises(UserError, match="checkpoints/1: ") as error:
        config_of(checkpoints, 1)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500
    run = checkpoints.folder.parent
    (run / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json: "):
        of_the_run(run, {})


@pytest.mark.parametrize("text", [*SHAPES, '{"json": 3}', json.dumps({"json": DEEP}),
                                  '{"json": "[]"}', '{"json": "null"}'],
                         ids=lambda text: ascii(text[:40]))  # fmt: skip
def test_a_config_of_another_shape_is_refused(sealed, text):
    with pytest.raises(UserError):
        config_of(sealed("config/metadata", text), 1)


def tree(**changes):
    metadata = {"use_ocdbt": True, "use_zarr3": False, "tree_metadata": {}}
    return json.dumps(metadata | changes)


@pytest.mark.parametrize("text", [*SHAPES, tree(use_ocdbt=False), tree(use_zarr3=True), tree(),
                                  tree(tree_metadata=3), tree(tree_metadata={"a": {}})],
                         ids=lambda text: ascii(text[:40]))  # fmt: skip
def test_orbaxs_own_metadata_is_looked_at_first(sealed, text):
    checkpoints = sealed("weights/_METADATA", text)
    with pytest.raises(UserError, match=r"checkpoints/1( is|: cannot)") as error:
        checkpoints.weights(1, weights_of(state(1)))
    assert len(str(error.value).splitlines()) == 1


ARRAYS = {
    "a part that is larger": {"chunks": [1 << 40, 40]},
    "no numbers": {"dtype": "|S1000000000"},
    "fields": {"dtype": [["a", "<f4"]]},
    "a negative side": {"shape": [-60, 40]},
    "no shape": {"shape": "x"},
}


@pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
def test_an_array_is_not_allocated_as_it_says(saved, tmp_path, change):
    import tensorstore as ts

    item = shutil.copytree(saved / "checkpoints" / "1" / "weights", tmp_path / "weights")
    base = {"driver": "file", "path": f"{item}/"}
    store = ts.KvStore.open({"driver": "ocdbt", "base": base}).result()
    name = "params.one.w/.zarray"
    told = json.loads(store.read(name).result().value)
    assert stored_shapes(item)["params.one.w"] == (60, 40)
    store.write(name, json.dumps(told | change).encode()).result()
    with pytest.raises(ValueError, match=r"the array params\.one\.w"):
        stored_shapes(item)
    store.write(name, json.dumps(told | {"shape": [1 << 40, 40]}).encode()).result()
    assert stored_shapes(item)["params.one.w"] == (1 << 40, 40)  # which no model has


def test_a_manifest_names_files_of_its_folder(saved, tmp_path):
    folder = shutil.copytree(saved / "checkpoints" / "1", tmp_path / "1")
    (tmp_path / "x").write_text("x")
    for name in ("../x", str(tmp_path / "x"), "config/../../x", "./config/metadata", ""):
        files = manifest.listed(folder) | {name: [1, "x"]}
        (folder / manifest.NAME).write_text(manifest._text(1, files))
        (said,) = manifest.problems(folder, 1)
        assert "outside it" in said
        manifest.seal(folder, 1)


@pytest.mark.parametrize("text", [*SHAPES[:-2], DEEP, "{}", '[{"step": "3"}]', "[3]",
                                  '[{"step": 1, "data": 3}]', '[{"step": 1, "data": {"train": 3}}]',
                                  '[{"step": 1, "weights": {}}]', '[{"step": 1, "command": 3}]'],
                         ids=lambda text: ascii(text[:40]))  # fmt: skip
def test_sessions_of_another_form_are_refused(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text.encode(errors="surrogateescape"))
    if text == "[]":
        assert read_sessions(tmp_path) == []
        return
    with pytest.raises(UserError, match=r"run\.json: cannot be read") as error:
        read_sessions(tmp_path)
    assert len(str(error.value).splitlines()) == 1


EVALUATIONS = (*SHAPES, '{"age": 3}', '{"data": {"about": {"licence": [1]}}}', '{"baseline": 3}',
               '{"baseline": {"age_mae": "x", "gender_accuracy": NaN}}')  # fmt: skip


@pytest.mark.parametrize("text", EVALUATIONS, ids=lambda text: ascii(text[:40]))
def test_evaluations_that_are_none_say_nothing(tmp_path, text):
    (tmp_path / "eval").mkdir()
    for name in ("test.json", "._test.json"):
        (tmp_path / "eval" / name).write_bytes(text.encode(errors="surrogateescape"))
    assert licence_of(tmp_path) is None
    assert _constant([tmp_path / "eval" / "test.npz"]) == {}
    assert "not a valid evaluation" in _figures(tmp_path, "test")
    config = get_config()
    (tmp_path / "config.json").write_text(configs.to_json(config))
    (tmp_path / "eval" / "test.npz").touch()
    (tmp_path / "checkpoints" / "30").mkdir(parents=True)
    if not text.startswith('{"'):
        assert not is_done(config, tmp_path)


def test_lines_of_a_log_that_are_none_are_left_out(tmp_path):
    file = tmp_path / "metrics.jsonl"
    odd = [*SHAPES, '{"step": "x"}', '{"step": 1e999}', json.dumps({"step": HUGE})]
    good = '{"step": 3, "loss": 0.5, "age": {"mae": {"median": NaN}}, "x": [1]}'
    lines = [line.encode(errors="surrogateescape") for line in [*odd, good, ""]]
    file.write_bytes(b"\n".join(lines))
    assert _lines(file) == [{"step": 3, "loss": 0.5, "age": {"mae": {}}}]
    MetricsLog(file, after=5).close()
    assert file.read_text() == f"{good}\n"


@pytest.mark.parametrize("text", ["x", *SHAPES[1:5]])
def test_a_report_of_figures_that_are_none_is_one_line(monkeypatch, tmp_path, text):
    from agejax.reports import write

    evaluation = write.Evaluation("x", {"split": text}, {}, [], get_config())
    monkeypatch.setattr(write, "open_evaluation", lambda *_: evaluation)
    with pytest.raises(UserError, match=r"eval/test\.json is not a valid evaluation"):
        write.write_report(tmp_path, faces=0)
    assert not list(tmp_path.rglob("*.html"))


def test_a_hash_of_other_weights_is_told_by_compare(saved, tmp_path):
    from agejax.experiments.compare import compare

    run = shutil.copytree(saved, tmp_path / "run")
    of = Checkpoints(run, read_only=True).identity(1)
    arrays = {
        "path": np.array([f"{i}.jpg" for i in range(20)]),
        "age_label": np.arange(20),
        "age_probabilities": np.eye(101, dtype=np.float32)[:20],
        "checkpoint": np.array(["1", *(f"{part}={x}" for part, x in of.items())]),
    }
    (run / "eval").mkdir()
    for file in (run / "eval" / "test.npz", tmp_path / "other.npz"):
        np.savez(file, **arrays)
    sides = {"a": [run], "b": [tmp_path / "other.npz"]}
    assert compare(sides)["tasks"]["age"]["n"] == 20
    save(run, 1, mae=lambda step: step)
    told = r"test\.npz is of weights and calibration other than .*checkpoints/1 has now; evaluate"
    with pytest.raises(UserError, match=told):
        compare(sides)
