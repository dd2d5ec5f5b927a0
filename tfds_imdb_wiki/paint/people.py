"""The persons of a painted archive and the rows of its .mat file, traps included."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace

import numpy as np

from tfds_imdb_wiki.paint.look import Look

KINDS = ("imdb", "wiki")
PHOTOS = 4  # of each person
SHARED = 0.05  # the share of wiki's persons who stand in imdb as well
TRAPS = 0.08  # trap rows for each good one
FIRST_NAMES = [
    "Ada",
    "Bela",
    "Chloé",
    "Dora",
    "Emil",
    "Finn",
    "Gül",
    "Hanna",
    "Ivo",
    "José",
    "Kira",
    "Léa",
    "Milo",
    "Nóra",
    "Omar",
    "Pia",
]
LAST_NAMES = [
    "Alder",
    "Birch",
    "Cedar",
    "Dębski",
    "Elm",
    "Fir",
    "Gómez",
    "Hazel",
    "Ivy",
    "Jörgensen",
    "Kauri",
    "Lind",
    "Maple",
]

# What each trap is dropped for, in the order in which the reasons are looked for.
DROPPED = {
    "no_face": "no_face",
    "low_score": "low_score",
    "second_face": "second_face",
    "no_gender": "no_gender",
    "dob_too_early": "bad_dob",
    "dob_too_late": "bad_dob",
    "before_birth": "age_range",
    "over_100": "age_range",
    "missing_file": "missing_file",
    "truncated": "undecodable",
    "empty_file": "undecodable",
    "text_file": "undecodable",
    "png": "undecodable",
    "one_pixel": "too_small",
}
KEPT = (
    "greyscale",
    "cmyk",
    "large",
    "oblong",
    "no_name",
    "twin",
    "second_score_negative",
    "zero_date",
)


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist. `number` is unique within an archive."""

    number: int
    name: str
    gender: int
    birth: datetime.date
    ages: tuple[int, ...]  # at which photos were taken
    look: Look


@dataclass(frozen=True)
class Row:
    """One row of the .mat file; `trap` is "" or what is odd about it."""

    person: Person
    age: int
    trap: str = ""

    @property
    def year(self) -> int:
        """The photo's year, such that the photo rule gives the age."""
        return self.person.birth.year + self.age + (self.person.birth.month >= 7)

    def path(self, kind: str, index: int) -> str:
        """The file below the crop folder; `index` makes it unique."""
        number, birth = self.person.number, self.person.birth
        if self.trap == "zero_date":  # MATLAB reads this as the last day of the year before
            year, month, day = birth.year + 1, 0, 0
        else:
            year, month, day = birth.year, birth.month, birth.day
        if kind == "wiki":
            date = f"{year}-{month:02}-{day:02}"
            return f"{number % 100:02}/{number}_{date}_{self.year}.jpg"
        date = f"{year}-{month}-{day}"
        return f"{number % 100:02}/nm{number:07}_rm{1_000_000 + index}_{date}_{self.year}.jpg"


def _person(seed: int, kind: str, index: int) -> Person:
    rng = np.random.default_rng([seed, KINDS.index(kind), 0, index])
    # 37 has no factor in common with 100: the folders 00..99 fill evenly.
    number = 12 + 37 * index + 500_000 * KINDS.index(kind)
    ages: set[int] = set()
    middle = 1 + (49 * index + seed) % 90  # any 90 persons cover all ages
    while len(ages) < PHOTOS:  # within 24 years, mirrored at 1 and 90 to stay uniform there
        near = middle + rng.choice(25, PHOTOS, replace=False) - 12
        ages = {1 - a if a < 1 else 181 - a if a > 90 else a for a in near.tolist()}
    month, day = int(rng.integers(1, 13)), int(rng.integers(1, 29))
    late = month >= 7
    year = int(rng.integers(1950 - min(ages) - late, 2015 - max(ages) - late + 1))
    name = f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)} {number}"
    return Person(
        number,
        name,
        int(rng.integers(2)),
        datetime.date(year, month, day),
        tuple(sorted(ages)),
        Look.draw(rng),
    )


def draw_rows(seed: int, kind: str, count: int, traps: bool) -> list[Row]:
    """All rows in the order of the file, which is no order."""
    people = -(-count // PHOTOS)
    shared = max(1, round(people * SHARED)) if kind == "wiki" else 0
    persons = [_person(seed, kind, i) for i in range(people)]
    for i in range(shared):  # imdb's person under wiki's id
        persons[i] = replace(_person(seed, "imdb", i), number=persons[i].number)
    rows = [Row(person, age) for person in persons for age in person.ages][:count]
    if traps:
        names = [*DROPPED, *KEPT]
        for i in range(max(len(names), round(TRAPS * count))):
            rows.append(_trap(names[i % len(names)], _person(seed, kind, people + i), rows[0]))
    order = np.random.default_rng([seed, KINDS.index(kind), 2]).permutation(len(rows))
    return [rows[i] for i in order.tolist()]


def _trap(trap: str, person: Person, good: Row) -> Row:
    age = person.ages[0]
    birth = person.birth
    if trap == "before_birth":
        person, age = replace(person, birth=birth.replace(year=2010)), -1 - age // 3
    elif trap == "over_100":
        person, age = replace(person, birth=birth.replace(year=1880 + age // 4)), 101 + age % 10
    elif trap == "twin":
        person = replace(good.person, number=person.number, name=person.name)
        age = good.age
    elif trap == "zero_date":
        late = birth.month >= 7
        person = replace(person, birth=datetime.date(birth.year + late - 1, 12, 31))
    return Row(person, age, trap)
