"""A run of somebody else whose config names code, folders and splits of the user's machine.

Whatever a command does with it, an audit hook of Python's sees that no module is imported for it,
no file written, made, moved or removed outside the run, no program started, and nothing read of
what is the user's; what C libraries do unseen shows in the files that are there at the end.
"""

import contextlib
import copy
import functools
import io
import json
import os
import shutil
import sys
from pathlib import Path

from agejax.checkpoints import manifest, own_data
from agejax.checkpoints.run_dir import of_the_run
from agejax.config import validation
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate, training_faces
from agejax.evaluation.open_split import open_split
from agejax.experiments.recalibrate import recalibrate
from agejax.experiments.reproduce import repeat
from agejax.exporters.artefact import faces_of
from agejax.exporters.function import Trained
from agejax.inference.predictor import load
from agejax.reports.evaluation import open_evaluation
from agejax.utils.import_by_name import ALLOWED
from tests.battery.fuzz.config import distort
from tests.battery.fuzz.mutate import one_of
from tests.photos import encoded, group_photo

CODE = (
    *("helper:it", "helper:run", "os:system", "subprocess:run", "builtins:exec", "this:s", "x:y"),
    *(
        "agejax.data.mixture:resolve",
        "agejax.data.records:write_records",
        "agejax.config.tasks:resolve",
    ),
    *("agejax.utils.atomic_write:write_text", "agejax.data.imdb_wiki:of_folder", "agejax:load"),
    *(
        "tfds_imdb_wiki.build:build",
        "agejax.data.own_faces:open_table",
        "agejax.utils.import_by_name:resolve",
    ),
    *(name for names in ALLOWED.values() for name in names),
)
IMPORTS = {"helper", "this", "x", "antigravity"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = (  # events whose first arguments are paths that change
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "shutil.rmtree", "shutil.copyfile", "shutil.copytree", "shutil.move"),
)
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")


class Watch:
    """What was done that must not be, since it was last asked."""

    def __init__(self, run: Path, yours: Path):
        self._free = [
            str(run),
            "/dev",
            "/proc",
            os.environ.get("JAX_COMPILATION_CACHE_DIR", "/dev"),
        ]
        self._yours, self.seen, self.on = str(yours), [], False
        sys.addaudithook(self._hear)

    def _hear(self, event, args):
        if not self.on:
            return
        self.on = False  # what follows is ours
        try:
            if told := self._wrong(event, args):
                self.seen.append(told)
        finally:
            self.on = True

    def _wrong(self, event, args):
        if event == "import" and args[0].partition(".")[0] in IMPORTS:
            return f"imports {args[0]}"
        if event in STARTS:
            return f"{event} {args[0]!r}"
        if event == "open":
            path, _, flags = args
            if isinstance(path, str | bytes) and (flags or 0) & WRITING and not self._may(path):
                return f"writes {path!r}"
        if event in CHANGES:
            paths = [path for path in args[:2] if isinstance(path, str | bytes | os.PathLike)]
            outside = [path for path in paths if not self._may(path)]
            if outside:
                return f"{event} {outside}"
        if event in ("open", "os.listdir", "os.scandir") and self._is_yours(args[0]):
            return f"reads {args[0]!r}"
        return None

    def _may(self, path):
        path = os.path.realpath(os.fsdecode(path))
        return any(path == free or path.startswith(f"{free}/") for free in self._free)

    def _is_yours(self, path):
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return os.path.realpath(os.fsdecode(path)).startswith(self._yours)


def prepare(folder, run):
    yours, foreign = make_yours(folder / "yours"), folder / "foreign"
    os.environ |= {"HOME": str(yours), "XDG_STATE_HOME": str(folder / "state"), "AGEJAX_TRUST": ""}
    os.environ["AGEJAX_OWN_RUNS"] = ""
    own_data._said.clear()
    os.chdir(yours)
    config = json.loads((run / "config.json").read_text())
    shutil.copytree(run, foreign)
    (foreign / "link").symlink_to(yours)
    paths = places(yours, foreign)
    act = actions(foreign)
    for do in act:  # imports what it needs, before anybody listens
        with contextlib.suppress(UserError):
            do(of_the_run(foreign, {}))
    watch, there = Watch(foreign, yours), contents(folder)

    def case(rng):
        tree = copy.deepcopy(config)
        for _ in range(int(rng.integers(1, 5))):
            poison(tree, rng, paths)
        if rng.random() < 0.2:
            distort(tree, rng)
        text = json.dumps(tree)
        (foreign / "config.json").write_text(text)
        inside = rng.random() < 0.3  # a checkpoint has a config, too
        write_checkpoints(foreign, text if inside else json.dumps(config))
        watch.seen, watch.on = [], True
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                one_of(rng, act)(of_the_run(foreign, {}))
            told = "read"
        except UserError:
            told = "refused"
        finally:
            watch.on = False
            assert not watch.seen, f"{watch.seen[:5]}; {text}"
            assert contents(folder) == there, f"{contents(folder) ^ there}; {text}"
        return told

    return case


def actions(foreign):
    """What commands do with a run."""

    def check(config):
        validation.check(config)
        validation.check_source(config)

    return (
        check,
        lambda config: open_split(config, config.eval.split),
        lambda config: training_faces(config),
        lambda config: evaluate(config, foreign),
        lambda config: load(foreign),
        lambda config: faces_of(Trained.load(foreign).config),
        lambda config: open_evaluation(foreign, config.eval.split, "latest"),
        lambda config: repeat(foreign, foreign / "again", {}),
        lambda config: recalibrate(foreign, foreign / "new"),
    )


def make_yours(folder):
    """What a user has: a table of faces, and a module that tells when it is imported."""
    folder.mkdir()
    face = encoded(group_photo().crop((300, 200, 560, 460)).resize((48, 48)))
    rows = [f"{i}.jpg,{20 + i},male,{('train', 'validation', 'test')[i % 3]}" for i in range(9)]
    for i in range(9):
        (folder / f"{i}.jpg").write_bytes(face + bytes([i]))
    (folder / "faces.csv").write_text("\n".join(["path,age,gender,split", *rows]) + "\n")
    (folder / "helper.py").write_text("open('imported', 'w')\nfrom subprocess import run as it\n")
    return folder


def places(yours, foreign):
    """Paths that a config may name."""
    return (
        *(str(yours), str(yours / "faces.csv"), "faces.csv", "../yours/faces.csv", ".", ".."),
        *("../../x", "/etc/passwd", str(foreign / "link" / "faces.csv"), "~/faces.csv", "~", ""),
        *(
            "x/../../../y",
            "helper:x",
            "helper:it",
            "test",
            "train",
            "all",
            "mine/test",
            str(foreign),
        ),
    )


def poison(tree, rng, paths):
    """Has a config name something of the user's."""
    code, path = functools.partial(one_of, rng, CODE), functools.partial(one_of, rng, paths)
    data, model = tree.setdefault("data", {}), tree.setdefault("model", {})
    match int(rng.integers(0, 12)):
        case 0 | 1:
            data["source"] = code()
        case 2 | 3 | 4:
            keys = ("manual_dir", "data_dir", "path", "root", "cache_dir")
            data[one_of(rng, keys)] = path()
            data["source"] = one_of(rng, ALLOWED["source"])
        case 5:
            tree.setdefault("eval", {})[one_of(rng, ("split", "attributes", "checkpoint"))] = path()
        case 6:
            data |= {"painted": 3, "manual_dir": path()}
        case 7:
            a_set = {"source": code(), "path": path(), "manual_dir": path(), "painted": 2}
            nested = {"source": "agejax.data.mixture:mixture", "sets": {"x": a_set}}
            data["source"] = "agejax.data.mixture:mixture"
            data["sets"] = {one_of(rng, ("mine", path())): one_of(rng, (a_set, nested))}
        case 8:
            model["pretrained"] = one_of(rng, (code(), path()))
        case 9:
            tree["writers"] = [code()]
        case 10:
            tree.setdefault("tasks", {})[one_of(rng, ("age", "gender", path()))] = {
                "classes": 2,
                one_of(rng, ("head", "loss", "balance")): code(),
            }
        case _:
            model[one_of(rng, ("trunk", "normalise"))] = code()


def write_checkpoints(foreign, text):
    """Gives all checkpoints a config, and manifests to which it belongs."""
    for step in (foreign / "checkpoints").iterdir():
        file = step / "config" / "metadata"
        told = json.dumps({"json": text})
        if file.read_text() != told:
            file.write_text(told)
            manifest.seal(step, int(step.name))


def contents(folder):
    """All that lies beside the run, and how large it is."""
    return {
        (str(file), file.lstat().st_size, file.lstat().st_mtime_ns)
        for file in folder.rglob("*")
        if not file.is_relative_to(folder / "foreign")
    }
