"""`agejax distil`: what it hands to `agejax train`."""

import pytest

from agejax.cli.distil import as_settings
from agejax.errors import UserError
from tests.commands import agejax_command


@pytest.mark.parametrize(
    "given",
    [
        ["runs/both", "--config", "s.py", "--workdir=w", "--weight", "1", "--unlabelled=~/f"],
        ["--config", "s.py", "--workdir=w", "--weight", "1", "runs/both", "--unlabelled=~/f"],
        ["--config", "s.py", "--workdir=w", "--weight", "1", "--unlabelled=~/f", "runs/both"],
    ],
)
def test_the_teacher_may_stand_anywhere(given):
    assert as_settings(given) == [
        *("--config", "s.py", "--workdir=w", "--config.distil.weight", "1"),
        *("--config.distil.unlabelled=~/f", "--config.distil.teacher=runs/both"),
    ]


def test_a_teacher_may_be_given_as_a_setting():
    given = ["--config=s.py", "--list", "--config.distil.teacher=runs/both"]
    assert as_settings(given) == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--config", "s.py"], "name the teacher"),
        (["runs/a", "runs/b", "--config=s.py"], "runs/a and runs/b: name one teacher"),
        (["runs/a", "--config.distil.teacher=runs/b"], "name one teacher"),
        ([], "name the teacher"),
    ],
)
def test_one_teacher_is_named(given, said):
    with pytest.raises(UserError, match=said):
        as_settings(given)


def test_the_command_tells_of_itself_and_of_errors(capsys, monkeypatch):
    code, out, _ = agejax_command(capsys, monkeypatch, "distil", "--help")
    assert code == 0
    assert "agejax distil TEACHER --config STUDENT" in out
    code, _, err = agejax_command(capsys, monkeypatch, "distil", "--config=none.py")
    assert code == 2
    assert err.startswith("error: name the teacher")
    code, _, err = agejax_command(capsys, monkeypatch, "distil", "runs/a", "--config=none.py")
    assert code == 2
    assert "none.py: there is no such config" in err
