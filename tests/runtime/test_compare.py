import json

import numpy as np
import pytest

from agejax.errors import UserError
from agejax.runtime.compare import compare, comparison_table
from tests import synthetic
from tests.test_commands import agejax_command

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


def test_a_run_is_no_better_than_itself(run):
    figures = compare([run], [run])
    for task in ("age", "gender"):
        assert figures[task]["difference"] == 0
        assert figures[task]["interval"] == [0, 0]
    ours = json.loads((run / "eval" / "test.json").read_text())
    assert figures["age"]["a"] == pytest.approx(ours["age"]["mae"]["median"])
    assert figures["gender"]["b"] == pytest.approx(ours["gender"]["accuracy"])
    assert figures["interval_over"] == "persons"
    assert "more than chance" not in comparison_table(figures)


def test_a_shift_shows_and_luck_does_not(npz):
    a = npz("a", **arrays(noise=3, seed=1))
    luck = compare([a], [npz("b", **arrays(noise=3, seed=2))])
    low, high = luck["age"]["interval"]
    assert low < 0 < high
    assert luck["interval_over"] == "faces"
    worse = compare([a], [npz("c", **arrays(2, noise=3, wrong=0.3, seed=3))])
    assert 0 < worse["age"]["interval"][0] < worse["age"]["difference"]
    assert worse["gender"]["interval"][1] < 0
    assert comparison_table(worse).count("more than chance") == 2


def test_pairs_are_narrower_than_two_intervals(npz):
    hard = np.random.default_rng(0).integers(0, 20, N)
    faces = arrays()
    guess = lambda extra: np.eye(101, dtype=np.float32)[np.clip(AGE + hard + extra, 0, 100)]
    better = npz("a", **faces | {"age_probabilities": guess(0)})
    worse = npz("b", **faces | {"age_probabilities": guess(1)})
    low, high = compare([better], [worse])["age"]["interval"]
    assert 0.8 < low < high <= 1.0 + 1e-6


def test_the_order_of_faces_does_not_matter_and_older_files_do(npz):
    order = np.random.default_rng(0).permutation(N)
    mixed = {name: array[order] for name, array in arrays().items()}
    mixed["path"] = mixed["path"].astype("S")
    mixed["age_probabilities"] = mixed["age_probabilities"].astype(np.float16)
    figures = compare([npz("a", **arrays())], [npz("b", **mixed)])
    assert figures["age"]["difference"] == 0


def test_several_seeds_speak_with_their_mean_error(npz):
    seeds = [npz(f"s{i}", **arrays(shift)) for i, shift in enumerate((0, 4))]
    figures = compare([npz("a", **arrays(2))], seeds)
    expected = np.mean([np.abs(np.clip(AGE + s, 0, 100) - AGE).mean() for s in (0, 4)])
    assert figures["age"]["b"] == pytest.approx(expected, abs=0.02)  # 0 and 100 are clipped
    assert len(figures["b"]) == 2


def test_persons_of_one_side_are_enough_and_widen_the_interval(npz):
    person = np.array([f"p{i // 40}" for i in range(N)])
    by_person = np.repeat(np.random.default_rng(0).integers(0, 9, N // 40), 40)
    hit = np.eye(101, dtype=np.float32)[np.clip(AGE + by_person, 0, 100)]
    a, b = npz("a", **arrays()), arrays() | {"age_probabilities": hit}
    faces = compare([a], [npz("b", **b)])
    persons = compare([a], [npz("c", **b, person=person)])
    assert (persons["interval_over"], persons["persons"]) == ("persons", 10)
    assert np.ptp(persons["age"]["interval"]) > 3 * np.ptp(faces["age"]["interval"])


def test_only_what_both_have_is_compared_and_only_known_labels(npz):
    a = {name: array for name, array in arrays().items() if "gender" not in name}
    known = np.arange(N) < 100
    figures = compare([npz("a", **a, age_known=known)], [npz("b", **arrays(1), age_known=known)])
    assert "gender" not in figures
    assert figures["age"]["n"] == 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": np.array([f"x{i:04}.jpg" for i in range(N)])}, "not of the same faces, 0000"),
        ({"age_label": (AGE + 1).astype(np.int32)}, "differ in age_label of 400 faces, 0000"),
        ({"age_label": AGE[:9]}, "no whole age_label"),
        ({"age_probabilities": np.full((N, 101), np.nan)}, "not finite"),
        ({"age_probabilities": np.ones((3, 101))}, "not finite numbers of each face"),
        ({"path": np.array([], "U4")}, "no array `path`"),
        ({"path": np.array([None] * N)}, "cannot be read"),
    ],
)
def test_what_cannot_be_compared_is_one_line(npz, change, said):
    good, bad = npz("good", **arrays()), npz("bad", **arrays() | change)
    with pytest.raises(UserError, match=said) as error:
        compare([good], [bad])
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
            compare([good], [path], split="train")
    with pytest.raises(UserError, match="no task in common"):
        compare([npz("empty", path=arrays()["path"])], [good])


def test_the_command(capsys, monkeypatch, npz, run):
    a, b = npz("a", **arrays(noise=3)), npz("b", **arrays(3, noise=3))
    code, out, err = agejax_command(capsys, monkeypatch, "compare", a, b)
    assert (code, err) == (0, "")
    assert "400 faces; the 95% intervals are over faces" in out
    assert max(len(x) for x in out.splitlines() if not x.startswith(("  A:", "  B:"))) <= 100
    sides = ("compare", "--a", a, a, "--b", b, "--json")
    figures = json.loads(agejax_command(capsys, monkeypatch, *sides)[1])
    assert figures["a"] == [str(a), str(a)]
    for wrong in ([a], [a, b, b], ["--a", a], [a, b, "--b", b], [a, run]):
        code, out, err = agejax_command(capsys, monkeypatch, "compare", *wrong)
        assert (code, out, err.count("\n")) == (2, "", 1)
