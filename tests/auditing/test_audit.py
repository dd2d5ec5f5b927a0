import dataclasses

import numpy as np
import pytest
from scipy.stats import rankdata

from agejax.auditing.audit import audit
from agejax.auditing.reasons import Reasons
from agejax.auditing.summary import summary
from agejax.auditing.table import lines
from agejax.errors import UserError
from tests.auditing.conftest import made


@pytest.mark.parametrize("task", ["age", "gender"])
def test_wrong_labels_come_first_and_are_as_many_as_estimated(audited, task):
    result, bad = audited
    wrong, there = result.tasks[task].wrong, bad[task]
    ranks, n = rankdata(wrong), there.sum()
    assert (ranks[there].sum() - n * (n + 1) / 2) / (n * (~there).sum()) > 0.95
    assert abs(wrong.mean() - there.mean()) < 0.07
    sure = wrong > 0.9
    assert there[sure].mean() > 0.85


def test_the_table_is_sorted_and_says_why(audited):
    result, bad = audited
    rows = list(lines(result))
    assert len(rows) == 2 * len(result.faces)
    p = [row.p_wrong for row in rows]
    assert p == sorted(p, reverse=True)
    first = next(row for row in rows if row.task == "age")
    assert "what the face allows" in first.cells["reason"]
    low, read, high = (float(first.cells[name]) for name in ("low", "read", "high"))
    assert low <= read <= high
    assert not low <= int(first.cells["label"]) <= high


def test_who_is_flagged_stands_beside_chance(audited):
    result, _ = audited
    told = list(summary(result))
    assert told[0].startswith("age: 240 labels, about ")
    assert any("age 70+" in line for line in told)
    assert sum("gender female" in line for line in told) == 2


def test_an_image_under_two_ages_is_told_by_a_third_row():
    faces, features, _ = made(240)
    same = [10, 60, 110]
    sha256, labels = faces.sha256.copy(), faces.labels["age"].copy()
    sha256[same] = sha256[10]
    labels[same] = (30, 30, 37)
    trunk, read = features.trunk.copy(), {t: p.copy() for t, p in features.read.items()}
    for of in (trunk, *read.values()):
        of[same] = of[np.flatnonzero(labels == 30)[0]]
    faces = dataclasses.replace(faces, sha256=sha256, labels=faces.labels | {"age": labels})
    result = audit(faces, dataclasses.replace(features, trunk=trunk, read=read))
    wrong = result.tasks["age"].wrong[same]
    assert wrong[2] > max(wrong[:2])
    assert len(set(result.image[same].tolist())) == 1
    assert "the same image is labelled 30 and is of another person (0010.jpg)" in Reasons(
        result
    ).text("age", 110)


def test_a_gender_is_told_by_other_photos_of_the_person():
    faces, features, _ = made(240)
    person = np.array([f"person {i // 6}" for i in range(240)])
    gender = np.repeat(faces.labels["gender"][::6], 6)
    labels = gender.copy()
    labels[7] = 1 - labels[7]
    unsure = np.full((240, 2), 0.5, np.float32)
    blind = dataclasses.replace(features, read=features.read | {"gender": unsure})
    faces = dataclasses.replace(
        faces, person=person, labels=faces.labels | {"gender": labels.astype(np.int32)}
    )
    result = audit(faces, blind)
    assert result.tasks["gender"].wrong.argmax() == 7
    assert "5 of 5 other photos of the person are labelled" in Reasons(result).text("gender", 7)


def test_few_faces_are_read_by_the_model_itself():
    faces, features, _ = made(20)
    labels = faces.labels["age"].copy()
    labels[3] = (labels[3] + 45) % 90
    result = audit(dataclasses.replace(faces, labels=faces.labels | {"age": labels}), features)
    assert result.tasks["age"].wrong.argmax() == 3


def test_ranges_and_unknown_labels():
    faces, features, _ = made(240)
    tens = faces.labels["age"] // 10 * 10
    known = {"age": np.arange(240) % 4 > 0, "gender": np.arange(240) < 9}
    first = tens.copy()
    first[5] = (first[5] + 50) % 90
    upto = {"age": first + 9}
    faces = dataclasses.replace(faces, labels=faces.labels | {"age": first}, known=known, upto=upto)
    result = audit(faces, features)
    assert result.tasks["age"].wrong.argmax() == 5
    rows = list(lines(result))
    assert len(rows) == 189
    assert rows[0].cells["label"] == f"{first[5]}-{first[5] + 9}"
    nothing = np.zeros(240, bool)
    nobody = dataclasses.replace(faces, known={"age": nothing, "gender": nothing})
    with pytest.raises(UserError, match="no label to audit"):
        audit(nobody, features)
