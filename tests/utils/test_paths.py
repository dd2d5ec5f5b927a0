"""`~` is home and `None` is none, wherever a path is given; and some machines have no home."""

import pwd
from pathlib import Path

import pytest

from agejax import config as configs
from agejax.cli.options import Parser, add_places, text_path
from agejax.data.tables.parsing import BadRow, image_path
from agejax.data.tables.rows import root_of
from agejax.errors import UserError
from agejax.utils.paths import expanded, home
from tests.commands import agejax_command


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def homeless(monkeypatch):
    """A process whose user the system does not know."""

    def unknown(*_):
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_home(own, monkeypatch):
    assert home() == own
    for odd in ("", "relative"):
        monkeypatch.setenv("HOME", odd)
        assert home() is None


def test_a_leading_tilde_is_home_and_nothing_else_is(own):
    assert expanded("~/x") == f"{own}/x"
    assert expanded(Path("~/x/y")) == own / "x/y"
    for same in ("x~", "./~/x", "x/~", ""):
        assert expanded(same) == same
    with pytest.raises(UserError, match="~nobody-is-called-this"):
        expanded("~nobody-is-called-this/x")


def test_without_a_home_a_tilde_is_an_error_and_no_folder(homeless):
    assert home() is None
    with pytest.raises(UserError, match="no home folder"):
        expanded("~/x")


def test_without_a_home_nothing_is_kept_there(homeless, monkeypatch):
    import jax

    from agejax.exporters.web import _from_npm
    from agejax.training.compilation_cache import keep_compiled
    from tfds_imdb_wiki.build import build

    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    before = jax.config.jax_compilation_cache_dir
    keep_compiled()
    assert jax.config.jax_compilation_cache_dir == before
    with pytest.raises(UserError, match="by --ort"):
        _from_npm()
    with pytest.raises(UserError, match="name a data_dir"):
        build("imdb", None, None)


SETTINGS = ("data.manual_dir", "data.data_dir", "data.path", "data.root", "data.cache_dir")
SETTINGS += ("model.pretrained", "eval.attributes")


@pytest.mark.parametrize("key", SETTINGS)
def test_settings_that_are_paths(own, key):
    config = configs.default()
    configs.update(config, {key: "~/x"})
    assert configs.get(config, key) == f"{own}/x"
    configs.update(config, {key: "None"})
    assert configs.get(config, key) is None


def test_a_config_of_a_file_or_of_a_run_is_taken_as_it_is_meant(own):
    config = configs.default()
    config.data.update(cache_dir="None", root="~/faces", name="None")
    with config.unlocked():
        config.data.sets = {"mine": {"path": "~/t.csv", "root": "None", "weight": 1.0}}
        config.model.args = {"kind": "None"}
    for found in (configs.settled(config), configs.from_json(configs.to_json(config), "x")):
        assert (found.data.cache_dir, found.data.root) == (None, f"{own}/faces")
        assert found.data.name == "None"  # which is none of the paths
        assert found.data.sets.mine.to_dict() == {
            **{"path": f"{own}/t.csv", "root": None, "weight": 1.0}
        }
        assert found.model.args.kind == "None"  # is the trunk's own
        assert configs.settled(found) is found
    assert config.data.root == "~/faces"
    file = own / "mine.py"
    file.write_text(
        "from agejax.config import default\ndef get_config():\n"
        "  c = default()\n  c.data.path = '~/t.csv'\n  return c\n"
    )
    assert configs.from_file(file).data.path == f"{own}/t.csv"


LAUNCHED = [
    (["--workdir=~/w"], "w", {}),
    (["--workdir", "~/w"], "w", {}),
    (["--workdir=None"], None, {}),
    (["--config.data.cache_dir=None", "--workdir=~/w"], "w", {"data.cache_dir": None}),
    (["--config.data.cache_dir", "None", "--workdir=~/w"], "w", {"data.cache_dir": None}),
    (["--config.data.cache_dir=~/c", "--workdir=~/w"], "w", {"data.cache_dir": "{own}/c"}),
    (["--config.data.device_mib=None", "--workdir=~/w"], "w", {"data.device_mib": None}),
    (["--config.augment.pad=None", "--run=None", "--process=None"], None, {"augment.pad": None}),
]


@pytest.mark.parametrize(("args", "workdir", "settings"), LAUNCHED)
def test_launch(own, monkeypatch, args, workdir, settings):
    from agejax.cli import launch

    began = []
    monkeypatch.setattr(launch, "train", lambda *given, **_: began.append(given) or {})
    monkeypatch.setattr(launch, "table", lambda _: "")
    monkeypatch.setattr(launch, "picture_of_run", lambda *_, **__: "")
    monkeypatch.setattr(launch, "keep_compiled", lambda: None)
    file = own / "mine.py"
    file.write_text(
        "from agejax.config import default\ndef get_config():\n  c = default()\n"
        "  c.data.cache_dir = '/there'\n  c.data.device_mib = 3\n  c.augment.pad = 0.5\n"
        "  return c\n"
    )
    argv = ["launch.py", "--config=~/mine.py", *args]
    launch.main(argv)
    [(config, folder)] = began
    assert folder == (own / workdir if workdir else Path("runs/mine"))
    for key, value in settings.items():
        expected = value.format(own=own) if value else value
        assert configs.get(config, key) == expected


def test_commands(own):
    parser = Parser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--a", type=Path, nargs="+", default=[])
    parser.add_argument("--root", type=text_path)
    parser.add_argument("--split", default="test")
    add_places(parser)
    given = "~/r --out=~/o --a ~/1 2 --root=~/t --data-dir=~/d --manual-dir=None --split None"
    args = parser.parse_args(given.split())
    assert (args.run, args.out, args.a) == (own / "r", own / "o", [own / "1", Path("2")])
    assert (args.root, args.data_dir, args.manual_dir) == (f"{own}/t", f"{own}/d", None)
    assert args.split == "None"


def test_a_home_that_is_not_there_is_a_line(capsys, monkeypatch, homeless):
    code, out, err = agejax_command(capsys, monkeypatch, "verify", "~/x")
    assert (code, out) == (2, "")
    assert err == "error: ~/x: there is no home folder for ~ here; give the path in full\n"


def test_tables(own):
    assert image_path("~/a/b.jpg") == f"{own}/a/b.jpg"
    assert root_of(Path("t.csv"), "~/faces") == own / "faces"
    for cell in ("None", "nan", " "):
        with pytest.raises(BadRow, match="no path"):
            image_path(cell)
    with pytest.raises(BadRow, match="home"):
        image_path("~nobody-is-called-this/x.jpg")


def test_what_is_loaded(own):
    from agejax.checkpoints.run_dir import read_checkpoint
    from tests.saved import save

    save(own / "run", 5)  # its config has no model, which is found out once the folder is
    with pytest.raises(UserError, match=f"{own}/run/checkpoints/5: "):
        read_checkpoint("~/run")
