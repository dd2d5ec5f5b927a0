"""Where metrics go beside metrics.jsonl."""

import contextlib
import json

import pytest

from agejax import config as configs
from agejax.config import validation
from agejax.errors import UserError
from agejax.training.loggers.writers import MetricsLog, open_log


class Kept:
    """A writer that is easily looked at."""

    def __init__(self, workdir, config, after):
        self.made = (workdir.name, config["seed"], after)
        self.lines, self.closed = [], False
        _made.append(self)

    def write(self, step, numbers):
        self.lines.append((step, dict(numbers)))

    def close(self):
        self.closed = True


_made: list[Kept] = []
LINE = {"loss": 0.5, "age": {"mae": {"median": 3.0}}, "note": "text", "odd": float("nan")}


def write(config, workdir, after=0):
    log = open_log(config, workdir, after=after)
    for step in (after + 1, after + 2):
        log.write(step=step, **LINE)
    log.close()


@pytest.mark.parametrize("writer", [Kept, f"{__name__}:Kept"])
def test_a_writer_is_told_all_numbers_and_its_name_is_written_down(tmp_path, monkeypatch, writer):
    monkeypatch.setenv("AGEJAX_TRUST", __name__)
    _made.clear()
    config = configs.default()
    configs.update(config, {"writers": (writer,)})
    validation.check(config)
    again = configs.from_json(configs.to_json(config), "here")
    assert not list(configs.differences(again, configs.default()))  # a run may go on with others
    (tmp_path / "x").mkdir()
    write(again, tmp_path / "x", after=7)
    (kept,) = _made
    assert kept.made == ("x", 0, 7)
    assert kept.lines == [(step, {"loss": 0.5, "age/mae/median": 3.0}) for step in (8, 9)]
    assert kept.closed
    lines = (tmp_path / "x" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["step"] == 8


@pytest.mark.parametrize(
    ("writers", "said"),
    [((3,), "holds 3; it must be callables"), (("agejax.nothing:X",), "cannot be imported")],
)
def test_what_is_no_writer_is_told(writers, said):
    config = configs.default()
    config.writers = writers
    with pytest.raises(UserError, match=said):
        validation.check(config)


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the extra 'tensorboard'")
    from tensorboardX.event_file_writer import EventFileWriter  # noqa: F401
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter  # noqa: F401

    config = configs.default()
    config.writers = ("agejax.training.loggers.tensorboard:TensorBoard",)
    write(config, tmp_path)
    (file,) = (tmp_path / "tensorboard").iterdir()
    points = {}
    data = file.read_bytes()
    while data:  # length, its checksum, the event, its checksum
        size = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + size])
        points |= {(event.step, v.tag): v.simple_value for v in event.summary.value}
        data = data[16 + size :]
    expected = {"loss": 0.5, "age/mae/median": 3.0}
    assert points == {(step, tag): x for step in (1, 2) for tag, x in expected.items()}


@pytest.mark.filterwarnings("ignore")  # wandb's own
def test_weights_and_biases_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the extra 'wandb'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = configs.default()
    config.writers = ("agejax.training.loggers.weights_and_biases:WandB",)
    write(config, tmp_path)
    files = list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 1
    assert b"age/mae/median" in files[0].read_bytes()


@pytest.mark.parametrize(
    ("package", "writer"),
    [("tensorboardX", "tensorboard:TensorBoard"), ("wandb", "weights_and_biases:WandB")],
)
def test_a_package_that_is_not_there_is_told(tmp_path, monkeypatch, package, writer):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    config = configs.default()
    config.writers = (f"agejax.training.loggers.{writer}",)
    with pytest.raises(UserError, match=r"pip install -e '\.\["):
        open_log(config, tmp_path, after=0)


def test_a_full_disk_is_told_with_the_name_of_the_log_also_when_it_is_closed(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl", after=0)
    log.write(step=1)
    log._file.close()
    log._file = open("/dev/full", "w")  # noqa: SIM115
    for call in (lambda: log.write(step=2), log.close):
        with pytest.raises(OSError, match="No space left") as error:
            call()
        assert error.value.filename == str(tmp_path / "metrics.jsonl")
    with contextlib.suppress(OSError):
        log._file.close()
