"""The `agejax` command, in the process of a test."""

import sys

import pytest

import agejax.cli


def agejax_command(capsys, monkeypatch, *args):
    """`agejax ARGS` in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["agejax", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        agejax.cli.main()
    return stop.value.code or 0, *capsys.readouterr()
