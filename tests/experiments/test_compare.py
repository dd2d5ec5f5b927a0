import json
import shutil
import xml.etree.ElementTree

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.experiments.compare import compare
from agejax.experiments.comparison_table import comparison_table
from tests import synthetic
from tests.commands import agejax_command

N = 400
_, AGE = synthetic.faces(N, seed=1)
GENDER = (np.arange(N) % 2).astype(np.int32)


def arrays(shift=0, *, noise=0, wrong=0.1, seed=0):
    """What a tool writes that guesses ages `shift` years too old, with `noise` around them."""
    rng = np.random.default_rng(seed)
    hit = np.clip(AGE + shift + rng.integers(-noise, noise + 1, N), 0, 100)
    gender = np.where(rng.random(N) < wrong, 1 - GENDER, GENDER)
    return {
        "path": np.array([f"{i:04}.jpg" for i in range(N)]),
        "age_label": AGE,
        "age_probabilities": np.eye(101, dtype=np.float32)[hit],
        "gender_label": GENDER,
        "gender_probabilities": np.eye(2, dtype=np.float32)[gender],
    }


@pytest.fixture
def npz(tmp_path):
    def write(name, **changed):
        file = tmp_path / f"{name}.npz"
        np.savez_compressed(file, **changed)
        return file

    return write


def two(a, b, **settings):
    """The figures of B, as they differ from A's."""
    figures = compare({"A": a, "B": b}, against="A", **settings)
    return figures | figures["sides"]["B"]


def test_a_run_is_no_better_than_itself(run):
    figures = two([run], [run])
    for task in ("age", "gender"):
        assert figures[task]["difference"] == 0
        assert figures[task]["difference_interval"] == [0, 0]
        assert figures[task]["verdict"] == "noise"
    ours = json.loads((run / "eval" / "test.json").read_text())
    assert figures["sides"]["A"]["age"]["value"] == pytest.approx(ours["age"]["mae"]["median"])
    assert figures["gender"]["value"] == pytest.approx(ours["gender"]["accuracy"])
    assert figures["age"]["interval"] == pytest.approx(ours["age"]["mae_interval"])
    constant = {task: of["constant"] for task, of in figures["tasks"].items()}
    base = ours["baseline"]
    assert constant == {"age": base["age_mae"], "gender": base["gender_accuracy"]}
    assert figures["interval_over"] == "persons"
    assert (
        "the variance between seeds is not included, as no side has two runs"
        in comparison_table(figures)
    )


def test_a_shift_shows_and_luck_does_not(npz):
    a = npz("a", **arrays(noise=3, seed=1))
    luck = two([a], [npz("b", **arrays(noise=3, seed=2))])
    low, high = luck["age"]["difference_interval"]
    assert low < 0 < high
    assert luck["age"]["verdict"] == "noise"
    assert luck["interval_over"] == "faces"
    worse = two([a], [npz("c", **arrays(2, noise=3, wrong=0.3, seed=3))])
    assert 0 < worse["age"]["difference_interval"][0] < worse["age"]["difference"]
    assert worse["gender"]["difference_interval"][1] < 0
    assert worse["age"]["verdict"] == worse["gender"]["verdict"] == "worse"
    assert comparison_table(worse).count("  worse") == 2
    better = compare({"A": [npz("c2", **arrays(2, noise=3, wrong=0.3))], "B": [a]}, against="A")
    assert [better["sides"]["B"][task]["verdict"] for task in ("age", "gender")] == ["better"] * 2


def test_pairs_are_narrower_than_two_intervals(npz):
    hard = np.random.default_rng(0).integers(0, 20, N)
    faces = arrays()
    guess = lambda extra: np.eye(101, dtype=np.float32)[np.clip(AGE + hard + extra, 0, 100)]
    better = npz("a", **faces | {"age_probabilities": guess(0)})
    worse = npz("b", **faces | {"age_probabilities": guess(1)})
    of = two([better], [worse])["age"]
    assert 0.8 < of["difference_interval"][0] < of["difference_interval"][1] < 1.05
    assert np.ptp(of["interval"]) > 10 * np.ptp(of["difference_interval"])


def test_the_order_of_faces_does_not_matter_and_older_files_do(npz):
    order = np.random.default_rng(0).permutation(N)
    mixed = {name: array[order] for name, array in arrays().items()}
    mixed["path"] = mixed["path"].astype("S")
    mixed["age_probabilities"] = mixed["age_probabilities"].astype(np.float16)
    figures = two([npz("a", **arrays())], [npz("b", **mixed)])
    assert figures["age"]["difference"] == 0


def test_several_seeds_speak_with_their_mean_error(npz):
    seeds = [npz(f"s{i}", **arrays(shift)) for i, shift in enumerate((0, 4))]
    figures = two([npz("a", **arrays(2))], seeds)
    means = [np.abs(np.clip(AGE + s, 0, 100) - AGE).mean() for s in (0, 4)]
    assert figures["age"]["runs"] == pytest.approx(means, abs=0.02)  # 0 and 100 are clipped
    assert figures["age"]["value"] == pytest.approx(np.mean(means), abs=0.02)
    assert len(figures["sides"]["B"]["files"]) == 2


def test_seeds_that_disagree_make_a_difference_noise(npz):
    a = [npz(f"a{i}", **arrays(shift)) for i, shift in enumerate((1, 5))]
    b = [npz(f"b{i}", **arrays(shift)) for i, shift in enumerate((2, 6))]
    figures = two(a, b)
    assert figures["tasks"]["age"]["seed_deviation"] == pytest.approx(4 / 2**0.5, abs=0.1)
    assert figures["tasks"]["age"]["seed_degrees"] == 2
    assert figures["age"]["verdict"] == "noise"
    low, high = figures["age"]["difference_interval"]
    assert low < -5 < 5 < high
    table = comparison_table(figures)
    assert "the variance between seeds: a standard deviation of 2." in table
    assert two(a[:1], b[:1])["age"]["verdict"] == "worse"  # of faces alone there is no doubt


def test_of_many_sides_the_best_is_the_reference_and_every_pair_counts(npz):
    sides = {f"by{shift}": [npz(f"x{shift}", **arrays(shift, noise=2))] for shift in (3, 0, 1, 5)}
    figures = compare(sides)
    assert (figures["against"], figures["chosen"], figures["comparisons"]) == ("by0", True, 6)
    verdicts = {name: of["age"]["verdict"] for name, of in figures["sides"].items()}
    assert verdicts == {"by3": "worse", "by0": "reference", "by1": "worse", "by5": "worse"}
    named = compare(sides, against="by3")
    assert (named["chosen"], named["comparisons"]) == (False, 3)
    assert named["sides"]["by0"]["age"]["verdict"] == "better"
    rows = [line.split()[0] for line in comparison_table(named).splitlines() if " 1  " in line]
    assert rows[:4] == ["by0", "by1", "by3", "by5"]
    with pytest.raises(UserError, match="no side 'by7'; there are by3, by0"):
        compare(sides, against="by7")
    with pytest.raises(UserError, match="at least two sides"):
        compare({"by0": sides["by0"]})


def test_many_sides_of_chance_alone_are_noise_together(npz):
    sides = {str(i): [npz(f"c{i}", **arrays(noise=9, seed=i))] for i in range(12)}
    of = [side["age"] for side in compare(sides)["sides"].values()]
    apart = [side for side in of if side["verdict"] != "reference"]
    assert {side["verdict"] for side in apart} == {"noise"}
    assert all(side["p_holm"] >= side["p"] for side in apart)


def test_persons_of_one_side_are_enough_and_widen_the_interval(npz):
    person = np.array([f"p{i // 40}" for i in range(N)])
    by_person = np.repeat(np.random.default_rng(0).integers(0, 9, N // 40), 40)
    hit = np.eye(101, dtype=np.float32)[np.clip(AGE + by_person, 0, 100)]
    a, b = npz("a", **arrays()), arrays() | {"age_probabilities": hit}
    faces = two([a], [npz("b", **b)])
    persons = two([a], [npz("c", **b, person=person)])
    assert (persons["interval_over"], persons["persons"]) == ("persons", 10)
    wide, narrow = (np.ptp(x["age"]["difference_interval"]) for x in (persons, faces))
    assert wide > 3 * narrow
    alone = two([a], [npz("d", **b, person=np.full(N, "one"))])["age"]
    assert (alone["difference_interval"], alone["verdict"]) == (None, "unknown")


def test_only_what_both_have_is_compared_and_only_known_labels(npz):
    a = {name: array for name, array in arrays().items() if "gender" not in name}
    known = np.arange(N) < 100
    figures = two([npz("a", **a, age_known=known)], [npz("b", **arrays(1), age_known=known)])
    assert "gender" not in figures
    assert figures["tasks"]["age"]["n"] == 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"path": np.array([f"x{i:04}.jpg" for i in range(N)])},
            "not of the same faces, such as 0000",
        ),
        (
            {"age_label": (AGE + 1).astype(np.int32)},
            "differ in age_label of 400 faces, such as 0000",
        ),
        ({"age_label": AGE[:9]}, "age_label is not an integer for each face"),
        ({"age_probabilities": np.full((N, 101), np.nan)}, "not finite"),
        ({"age_probabilities": np.ones((3, 101))}, "not finite numbers for each face"),
        ({"path": np.array([], "U4")}, "no array `path`"),
        ({"path": np.array([f"{i // 2:03}" for i in range(N)])}, "path '000' occurs twice"),
        ({"path": np.array([None] * N)}, "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_one_line(npz, change, said):
    good, bad = npz("good", **arrays()), npz("bad", **arrays() | change)
    with pytest.raises(UserError, match=said) as error:
        two([good], [bad])
    assert "\n" not in str(error.value)


def test_files_that_are_not_there_are_told(npz, run, tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    good = npz("good", **arrays())
    for path, said in (
        (tmp_path / "none.npz", "no such file"),
        (tmp_path / "text.npz", "cannot be read"),
        (run, "evaluate the run first"),
    ):
        with pytest.raises(UserError, match=said):
            two([good], [path], split="train")
    with pytest.raises(UserError, match="no task in common"):
        two([npz("empty", path=arrays()["path"])], [good])


@pytest.fixture
def command(capsys, monkeypatch):
    return lambda *args: agejax_command(capsys, monkeypatch, "compare", *args)


def test_the_command_for_two(command, npz, run):
    a, b = npz("a", **arrays(noise=3)), npz("b", **arrays(3, noise=3))
    code, out, err = command(a, b)
    assert (code, err) == (0, "")
    assert out.startswith("test: 400 faces\n")
    assert "less a.npz" in out  # the first of two
    assert "Intervals are over faces" in out
    figures = json.loads(command("--a", a, a, "--b", b, "--json")[1])
    assert figures["sides"]["A"]["files"] == [str(a), str(a)]
    assert figures["against"] == "A"
    for wrong in ([], [a], ["--a", a], [a, b, "--b", b], [a, run], [a, b, "--against", run]):
        code, out, err = command(*wrong)
        assert (code, out, err.count("\n")) == (2, "", 1), wrong


@pytest.fixture
def sweep(npz, run, tmp_path):
    """Two ways of training with two seeds each, and what is not finished."""
    for name, shift in (("good", 0), ("bad", 3)):
        for seed in (0, 1):
            folder = tmp_path / "sweep" / name / f"seed{seed}" / "eval"
            folder.mkdir(parents=True)
            shutil.copy(npz("x", **arrays(shift, noise=2, seed=seed)), folder / "test.npz")
    (tmp_path / "sweep" / "good" / "seed2" / "eval").mkdir(parents=True)
    (tmp_path / "sweep" / "unfinished" / "seed0" / "eval").mkdir(parents=True)
    (tmp_path / "sweep" / "else").mkdir()
    return tmp_path / "sweep"


def test_a_folder_of_runs_is_one_side(command, sweep, tmp_path):
    code, out, err = command(sweep, "--json", "--svg", tmp_path / "x.svg")
    assert code == 0
    figures = json.loads(out)
    assert figures["sides"].keys() == {"good", "bad"}
    assert [len(of["age"]["runs"]) for of in figures["sides"].values()] == [2, 2]
    assert (figures["against"], figures["chosen"]) == ("good", True)
    assert f"left out: {sweep / 'good' / 'seed2'} is not evaluated on test" in err
    assert f"left out: {sweep / 'unfinished' / 'seed0'} is not evaluated on test" in err
    assert f"left out: {sweep / 'else'}: neither a run nor a folder of runs" in err
    svg = xml.etree.ElementTree.parse(tmp_path / "x.svg").getroot()
    assert {"good", "bad"} <= {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    against = json.loads(command(sweep, "--json", "--against", sweep / "bad")[1])["against"]
    assert against == "bad"
    table = command(sweep)[1]
    assert max(map(len, table.split("\n\nIntervals")[0].splitlines())) <= 100


def test_markdown_has_what_a_readme_needs(command, run, npz, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    code, out, _ = command(run, other, "--markdown")
    assert code == 0
    rows = [line.split(" | ") for line in out.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    ours = json.loads((run / "eval" / "test.json").read_text())
    assert rows[2][0] == "| constant median, majority"
    assert rows[2][4] == f"{ours['baseline']['age_mae']:.2f}"
    assert rows[3][2:4] == ["0.00 M", "0.001"] or rows[3][3].startswith("0.00")
    assert rows[4][5] == "+0.00 (+0.00 to +0.00), noise"
    assert rows[3][-1] == "(1) |"
    assert "\n(1) python" in out
