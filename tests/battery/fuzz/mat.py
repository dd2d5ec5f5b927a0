"""`imdb.mat`, read as the builder reads it; its child process is a fork."""

import io
import struct
import subprocess
import zlib

import numpy as np
import scipy.io

from agejax.errors import UserError
from tests.battery.fuzz.forked import forked
from tests.battery.fuzz.mutate import damaged
from tests.tfds_imdb_wiki.test_imdb_mat import saved
from tfds_imdb_wiki import imdb_mat

HEADER = 128  # bytes before the first element


def prepare(folder):
    good = saved(n=5, celeb_id=np.ones((1, 5), np.uint16))
    died = []

    def run(command, *, input, **_):
        argv = [command[-2], command[-1]]
        code, out, err = forked(imdb_mat.main, argv, input)
        died.extend([code] * (code < 0))
        return subprocess.CompletedProcess(command, code, out, err)

    imdb_mat.subprocess.run = run
    scipy.io.loadmat(io.BytesIO(good))  # imports what it needs before the first fork

    def case(rng):
        if rng.random() < 0.4:  # as MATLAB compresses; damage within passes the checksum
            body = zlib.compress(damaged(good[HEADER:], rng, head=400))
            data = good[:HEADER] + struct.pack("<II", 15, len(body)) + body
        else:
            data = damaged(good, rng, head=HEADER + 400)
        died.clear()
        try:
            columns = imdb_mat.read_mat(data, "imdb", "imdb.mat")
        except UserError:
            if died:  # of a signal, which harmed nobody
                return "contained"
            raise
        assert len({len(c) for name, c in columns.items() if name != "celeb_names"}) == 1
        return "read"

    return case
