"""The report: its figures are the evaluation's, and it is one page that needs nothing else."""

import dataclasses
import html
import json
import re
import shutil

import numpy as np
import pytest

from agejax.checkpoints import manifest
from agejax.checkpoints.run_dir import of_the_run
from agejax.errors import UserError
from agejax.evaluation.evaluate import evaluate
from agejax.evaluation.open_split import open_split
from agejax.evaluation.summary import baseline, evaluation_figures, label_counts
from agejax.metrics.calibration import Calibration
from agejax.reports.evaluation import open_evaluation
from agejax.reports.faces import worth_a_look
from agejax.reports.settings import changed
from agejax.reports.write import page, write_report
from tests.browser import cut_off, served
from tests.commands import agejax_command
from tests.evaluation.test_summary import predicted


@pytest.fixture(scope="module")
def reported(run, tmp_path_factory):
    """A run of its own, evaluated by `mode=eval` with hostile groups: (folder, figures, page)."""
    folder = tmp_path_factory.mktemp("reported") / "tiny & <i>small"
    shutil.copytree(run, folder)
    config = of_the_run(folder, {})
    paths = open_split(config, "test").path
    rows = [f"{path},{('<b>x</b>', 'y')[i % 2]}" for i, path in enumerate(paths)]
    table = folder.parent / "groups.csv"
    table.write_text("\n".join(['path,"a ""<script>"""', *rows]))
    config.eval.attributes = str(table)
    figures = evaluate(config, folder)
    return folder, figures, write_report(folder, faces=3).read_text(encoding="utf-8")


def cells(page):
    """{group: {column: text}} of the tables of groups."""
    found = {}
    for table in re.findall(r'<table class="groups">.*?</table>', page, re.S):
        for row in re.findall(r'<tr><th scope="row">.*?</tr>', table, re.S):
            name = html.unescape(re.search(r'<th scope="row">(.*?)</th>', row)[1])
            found[name] = dict(re.findall(r'data-label="(.*?)">(.*?)</td>', row))
    return found


def test_its_figures_are_the_evaluations(reported):
    folder, figures, page = reported
    assert open_evaluation(folder).figures == json.loads(json.dumps(figures))
    age, gender = figures["age"], figures["gender"]
    for text in (
        f"<b>{age['mae']['median']:.2f}<small> years</small></b>",
        "95%: {:.2f} to {:.2f}".format(*age["mae_interval"]),
        f"<b>{age['cs5']:.1%}</b>",
        f"<b>{age['interval']['coverage']:.1%}</b>",
        f"<b>{gender['accuracy']:.1%}</b>",
        f"ECE {gender['ece']:.1%}",
        f"constant median: {figures['baseline']['age_mae']:.2f}",
        f"{figures['n']:,} faces of {figures['persons']:,} persons",
        *(f"MAE {mae:.2f} years" for mae in figures["curves"]["age"]["by_age"]["mae"]),
    ):
        assert text in page, text
    table = cells(page)
    for groups in figures["groups"].values():
        for name, of in groups.items():
            assert table[name]["faces"] == f"{of['n']:,}"
            assert table[name]["MAE, years"] == f"{of['mae']:.2f}"
            assert table[name]["inside 90%"] == f"{of['coverage']:.1%}"
            assert table[name]["gender acc."] == f"{of['gender_accuracy']:.1%}"
            if of["mae_interval"]:
                assert table[name]["95% interval"] == "{:.2f} to {:.2f}".format(*of["mae_interval"])
    for ratio in filter(None, figures["worst_to_mean"].values()):
        assert f"has {ratio:.2f} times the overall MAE" in page


def test_it_tells_what_was_dropped_what_was_set_and_what_computed_it(reported):
    folder, figures, page = reported
    assert figures["data"]["about"]["dropped"]["no_face"] > 0
    for reason, n in figures["data"]["about"]["dropped"].items():
        pattern = f'{reason}</code></th><td>.+?</td><td class="number">{n:,}</td>'
        assert re.search(pattern, page), reason
    assert changed(figures["config"])["train.steps"] == (30, 1000)
    assert "<code>train.steps</code>" not in page  # a key is a heading, its values are code
    assert '<th scope="row">train.steps</th><td><code>30</code></td><td><code>1000</code>' in page
    assert f"jax {figures['versions']['jax']}" in page
    assert "they show no real person" in page  # the painted faces' own licence


def test_nothing_in_a_name_becomes_markup(reported):
    _, _, page = reported
    assert "<script" not in page
    assert "<b>x</b>" not in page
    assert "By a &quot;&lt;script" in page or 'By a "&lt;script' in page
    assert "<h1>tiny &amp; &lt;i&gt;small</h1>" in page


def test_it_asks_for_nothing_and_shows_the_faces_it_was_asked_for(reported):
    _, _, page = reported
    asked = re.findall(r'(?:src|href|srcset|action|data)="([^"#]*)', page)
    assert all(not url or url.startswith("data:") for url in asked)
    assert not re.search(r"url\(|@import|https?:(?!//www.w3.org/2000/svg|//data.vision)", page)
    assert "default-src 'none'" in html.unescape(page)
    assert 6 <= page.count("<img ") <= 9


def test_faces_can_be_left_out_and_then_no_data_are_needed(reported, tmp_path, monkeypatch):
    folder, _, _ = reported

    def gone(*args):
        raise UserError("the data are gone")

    monkeypatch.setattr("agejax.reports.write.open_split", gone)
    page = write_report(folder, faces=0, out=tmp_path / "x.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "Furthest" not in page
    with pytest.raises(UserError, match="gone"):
        write_report(folder, out=tmp_path / "y.html")
    assert not (tmp_path / "y.html").exists()


@pytest.mark.parametrize("what", ["nothing", "older", "other step", "halved", "torn"])
def test_an_evaluation_is_made_where_there_is_none_that_holds(run, tmp_path, monkeypatch, what):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    first = evaluate(of_the_run(folder, {}), folder)
    file = folder / "eval" / "test.json"
    if what == "nothing":
        shutil.rmtree(folder / "eval")
    elif what == "older":
        file.write_text(json.dumps({k: v for k, v in first.items() if k != "curves"}))
    elif what == "other step":
        file.write_text(json.dumps(first | {"step": 3}))
    elif what == "halved":
        file.write_text(file.read_text()[:1000])
    else:
        age = {**first["age"], "mae": {**first["age"]["mae"], "median": 1.0}}
        file.write_text(json.dumps(first | {"age": age}))
    assert open_evaluation(folder).figures == json.loads(json.dumps(first))
    monkeypatch.setattr("agejax.reports.evaluation.evaluate", None)
    assert open_evaluation(folder).figures["step"] == first["step"]  # and is not made again


def test_a_run_without_a_log_or_with_a_line_cut_off_is_reported(reported, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(reported[0], folder)
    log = folder / "metrics.jsonl"
    whole = len(open_evaluation(folder).log)
    log.write_text(log.read_text()[:-20])
    assert len(open_evaluation(folder).log) == whole - 1
    log.unlink()
    assert "no training log" in write_report(folder, faces=0).read_text(encoding="utf-8")


def test_the_faces_worth_a_look_are_the_best_and_the_worst(reported):
    evaluation = open_evaluation(reported[0])
    found = [*worth_a_look(evaluation, 4).values()]
    error = np.abs(evaluation.ages[1] - evaluation.arrays["age_label"])
    assert sorted(error[found[0]])[::-1] == sorted(error)[::-1][:4]
    ages = evaluation.arrays["age_label"][found[1]]
    assert (np.diff(ages) >= 0).all()
    assert error[found[1]].mean() < error.mean()
    assert all(len(rows) >= 1 for rows in worth_a_look(evaluation, 10_000).values())


@pytest.mark.parametrize("about", [{}, {"dropped": {}, "rows": 9}, {"dropped": {"odd": 3}}])
@pytest.mark.parametrize("n", [1, 12, 400])
def test_few_faces_strange_tasks_and_silent_data_are_reported_too(reported, n, about):
    raw, faces = predicted(n, person=n > 1)
    raw |= {"race": np.eye(5, dtype=np.float32)[np.arange(n) % 5]}
    labels = faces.labels | {"race": np.zeros(n, np.int32)}
    known = {"age": np.arange(n) < 200, "gender": np.zeros(n, bool), "race": np.ones(n, bool)}
    faces = dataclasses.replace(faces, labels=labels, known=known)
    train = predicted(50)[1]
    splits = {"train": label_counts(train), "test": label_counts(faces)}
    splits["train"]["race"] = [50]
    figures = {
        **open_evaluation(reported[0]).figures,
        **evaluation_figures(raw, Calibration(), faces),
        **{"n": n, "data": {"about": about, "splits": splits}, "baseline": baseline(train, train)},
    }
    arrays = {"path": faces.path}
    for task in raw:
        arrays |= {f"{task}_probabilities": raw[task], f"{task}_label": labels[task]}
        arrays |= {f"{task}_known": known[task]}
    evaluation = dataclasses.replace(
        open_evaluation(reported[0]), figures=json.loads(json.dumps(figures)), arrays=arrays
    )
    told = page(evaluation, dict.fromkeys(faces.path, "data:,"), 3)
    assert "Reliability of race" in told
    assert "Reliability of gender" not in told
    assert "None" not in re.sub(r"<code>.*?</code>", "", told)
    assert "nan" not in re.findall(r' d="([^"]*)"', told)
    assert ("does not record dropped rows" in told) == ("rows" not in about)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "no trained run"),
        (["{run}", "--split", "tset"], "there is no split 'tset'"),
        (["{run}", "--checkpoint", "7"], "no checkpoint '7'"),
        (["{run}", "--attributes", "nowhere.csv"], "no such file"),
        (["{run}", "--faces", "-1"], "at least 0"),
        (["{run}", "--out", "{run}"], "directory"),
    ],
)
def test_what_cannot_be_reported_is_one_line(reported, capsys, monkeypatch, args, said):
    fill = lambda text: text.format(run=reported[0])
    code, out, err = agejax_command(capsys, monkeypatch, "report", *map(fill, args))
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert said in err


def test_the_command_prints_where_the_report_is(reported, capsys, monkeypatch):
    folder, _, page = reported
    code, out, _ = agejax_command(capsys, monkeypatch, "report", folder, "--faces", 3)
    assert (code, out.strip()) == (0, str(folder / "eval" / "test.html"))
    stamp = re.compile(r"Written by agejax report, .*? UTC")
    again = (folder / "eval" / "test.html").read_text(encoding="utf-8")
    assert stamp.sub("", again) == stamp.sub("", page)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_whole_and_fetches_nothing(reported, browser, tmp_path, width):
    shutil.copy(reported[0] / "eval" / "test.html", tmp_path / "report.html")
    requests = []
    with (
        served(tmp_path) as (url, asked),
        browser.new_context(viewport={"width": width, "height": 900}) as context,
    ):
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.goto(url + "report.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert cut_off(page, "main *:not(svg *):not(thead, thead *)") == []
        assert page.locator("svg.plot text").evaluate_all(_OUTSIDE) == []
        assert len(page.inner_text("body")) > 3000
    assert requests == [url + "report.html"]
    assert asked == ["/report.html"]


_OUTSIDE = """texts => texts.filter((text) => {
    const at = text.getBoundingClientRect(), box = text.closest("svg").getBoundingClientRect()
    return at.left < box.left - 1 || at.right > box.right + 9 || at.bottom > box.bottom + 1
}).map((text) => text.textContent)"""


def test_figures_of_other_weights_of_the_same_step_are_not_shown(run, tmp_path, caplog):
    folder = shutil.copytree(run, tmp_path / "tiny")
    figures = open_evaluation(folder).figures
    assert not caplog.messages
    checkpoint = folder / "checkpoints" / str(figures["step"])
    (checkpoint / "calibration" / "metadata").write_text('{"temperature": {"age": 4.0}}')
    manifest.seal(checkpoint, figures["step"])
    again = open_evaluation(folder).figures
    told = "test.json is of calibration other than"
    assert [told in line for line in caplog.messages] == [True]
    caplog.clear()
    assert again["calibration"]["temperature"] == {"age": 4.0}
    assert again["checkpoint"]["weights"] == figures["checkpoint"]["weights"]
    assert again["checkpoint"]["calibration"] != figures["checkpoint"]["calibration"]
    assert open_evaluation(folder).figures == json.loads(json.dumps(again))
    assert not caplog.messages
