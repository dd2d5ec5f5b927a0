"""Which rows are kept, why the others are not, whose face each is, and in which split it stands."""

import hashlib
import re
import unicodedata

import numpy as np

from agejax.labels import AGES, age_at
from tfds_imdb_wiki.imdb_mat import Columns

# In the order in which they are looked for; the first that holds is a row's reason. The last three
# are found in the image file.
REASONS = {
    "no_face": "no face was found in the photo",
    "low_score": "the detector's score is below the least that counts",
    "second_face": "a second face is in the photo, and which one is meant is not known",
    "no_gender": "the gender is not known",
    "bad_dob": "the date of birth is no date",
    "age_range": "the age is below 0 or above 100 years",
    "missing_file": "the file is not there",
    "undecodable": "the file is no JPEG that can be read whole",
    "too_small": "the image is too small to show a face",
}
SPLITS = ("train", "validation", "test")


def drop_reasons(mat: Columns, min_face_score: float) -> tuple[np.ndarray, np.ndarray]:
    """Whether the labels of each row are usable.

    Args:
      mat: columns of N rows, as `read_mat` gives them.
      min_face_score: the lowest score of a face that counts as found.

    Returns:
      reasons str [N], "" where the row is kept, and ages int64 [N] in whole years.
    """
    score, second, gender = mat["face_score"], mat["second_face_score"], mat["gender"]
    age, dob_known = age_at(mat["dob"], mat["photo_taken"])
    tests = {
        "no_face": np.isneginf(score),
        "low_score": ~(score >= min_face_score),
        "second_face": second > 0,  # NaN is none: the usual, good case
        "no_gender": ~np.isin(gender, (0, 1)),
        "bad_dob": ~dob_known,
        "age_range": (age < 0) | (age >= AGES),
    }
    return np.select(list(tests.values()), list(tests), default=""), age


def person_ids(mat: Columns, kind: str) -> np.ndarray:
    """Who stands in each row, as str [N] of 16 hexadecimal digits.

    A person is a name and a date of birth, so that one who stands in both archives is one person.
    A row without a name is the person whom other rows of the same id and birth name, if they name
    just one, else the id in its path.
    """
    names = [unicodedata.normalize("NFC", name).casefold().strip() for name in mat["name"]]
    ids = [re.sub(r"_\d+-\d+-\d+_\d+\.\w+$|_rm\d.*$", "", path) for path in mat["full_path"]]
    dobs = mat["dob"].tolist()
    known: dict[tuple[str, int], set[str]] = {}
    for name, id_, dob in zip(names, ids, dobs, strict=True):
        if name:
            known.setdefault((id_, dob), set()).add(name)
    people = []
    for name, id_, dob in zip(names, ids, dobs, strict=True):
        others = known.get((id_, dob), set())
        name = name or (next(iter(others)) if len(others) == 1 else "")
        key = f"{name}\n{dob}" if name else f"{kind}/{id_}"
        people.append(hashlib.sha256(key.encode()).hexdigest()[:16])
    return np.array(people, dtype=np.str_)


def split_of(person: str) -> str:
    """The split of a person id: 80/10/10 by its hash, the same on every machine."""
    tenth = int(person, 16) % 10
    return SPLITS[max(0, tenth - 7)]
