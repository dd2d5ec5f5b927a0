"""Forms that are made to be slow to read are refused at once."""

import time

import pytest

pytest.importorskip("python_multipart", reason="needs the extra 'serve'")

from agejax.serve.forms import BadForm, LargeForm, files_of
from tests.battery import clients
from tests.serve.http import form

KIND = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    "body",
    [
        clients.empty_fields(500_000),
        clients.false_boundaries(1_000_000),
        clients.many_headers(100_000),
        clients.quoted_headers(160),
        clients.padded(5_000_000),
        clients.PART + b"; filename=" + b"a" * 10_000 + b"\r\n\r\n\r\n--x--\r\n",
    ],
    ids=["fields", "boundaries", "headers", "quotes", "padding", "name"],
)
def test_a_form_of_too_much_is_refused_at_once(body):
    start = time.thread_time()
    with pytest.raises((BadForm, LargeForm)):
        files_of(KIND, body, 64)
    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize("boundary", ["x" * 71, "", "x" + "; a=b" * 1000])
def test_a_boundary_that_is_none_is_refused(boundary):
    with pytest.raises(BadForm):
        files_of(f"multipart/form-data; boundary={boundary}", b"--x--\r\n", 64)


def test_a_form_in_a_form_is_a_file_or_nothing():
    assert files_of(KIND, clients.nested(), 64) == []


def test_a_large_form_is_read_whole():
    files = {f"{'n' * 200}-{i}.jpg": bytes([i]) * 400_000 for i in range(64)}
    body, kind = form(files, "x" * 70)
    assert files_of(kind, body, 64) == list(files.items())
