"""Tables of faces: opened for training, checked, and read as attributes."""

import contextlib
import csv
import io
import json

import numpy as np
from tqdm import tqdm

from agejax.data.attributes import read_attributes
from agejax.data.own_faces import open_table
from agejax.data.tables.check import check
from agejax.data.tables.report import report
from agejax.errors import UserError
from tests.battery.fuzz.mutate import damaged, odd, one_of
from tests.photos import encoded, group_photo

COLUMNS = ["path", "age", "gender", "person", "split", "race"]
FORMS = (".csv", ".tsv", ".jsonl", ".txt")


def prepare(folder):
    face = group_photo().crop((300, 200, 560, 460)).resize((24, 24))
    rows = []
    for i in range(12):
        (folder / f"{i}.jpg").write_bytes(encoded(face, quality=50 + i))
        age = (f"{20 + i}", "20-29", "70+", "")[i % 4]
        split = ("train", "validation", "test")[i % 3]
        rows.append([f"{i}.jpg", age, ("male", "female", "")[i % 3], f"p{i}", split, "abc"[i % 3]])

    def case(rng):
        cells = [COLUMNS, *(list(row) for row in rows)]
        cells = [list(row) for row in cells]
        for _ in range(int(rng.integers(0, 4))):
            distort(cells, rng)
        form = one_of(rng, FORMS)
        data = written(cells, form, rng)
        if rng.random() < 0.5:
            data = damaged(data, rng, head=80)
        file = folder / f"table{form}"
        file.write_bytes(data)
        with contextlib.suppress(UserError):
            read_attributes(file, np.array([f"{i}.jpg" for i in range(12)]))
        with contextlib.suppress(UserError):
            list(report(check(file, None, images=bool(rng.random() < 0.1), progress=quiet)))
        open_table(file, None)
        return "read"

    return case


def quiet(*args, **kwargs):
    return tqdm(*args, **kwargs | {"disable": True})


def distort(cells, rng):
    """Changes a cell, or a row."""
    row = cells[int(rng.integers(0, len(cells)))]
    at = int(rng.integers(0, max(len(row), 1)))
    match int(rng.integers(0, 5)):
        case 0 | 1 if row:
            row[min(at, len(row) - 1)] = odd(rng)
        case 2:
            del row[at:]
        case 3:
            row.append(odd(rng))
        case _:
            cells.append(list(row))


def written(cells, form, rng):
    if form == ".jsonl":
        header, *others = cells
        objects = [dict(zip(header, row, strict=False)) for row in others]
        for row in objects:
            if rng.random() < 0.2:
                values = (None, 5, -1, 1e308, float("nan"), [20, 29], [], {}, True, [[]], 10**40)
                row[one_of(rng, COLUMNS)] = one_of(rng, values)
        text = "\n".join(json.dumps(row) for row in objects)
    else:
        out = io.StringIO()
        delimiter = "\t" if form == ".tsv" else one_of(rng, (",", ";", "\t"))
        with contextlib.suppress(csv.Error):
            csv.writer(out, delimiter=delimiter).writerows(cells)
        text = out.getvalue()
    encoding = one_of(rng, ("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    return text.encode(encoding, "replace")
