"""`agejax soup`: several fine-tuned runs as one network, their weights averaged."""

from typing import Any

from agejax.cli.ensemble import add_options, combine


def add(commands: Any) -> None:
    """Declares the command."""
    text = "make one run of several fine-tuned from the same start, whose weights are averaged"
    command = commands.add_parser("soup", help=text)
    add_options(command)
    command.set_defaults(run=run)


def run(**given: Any) -> int:
    """Writes the new run, and prints how each reads the faces that taught it, and the soup.

    Raises:
      UserError: a run is not there, or cannot be averaged with the first, or `out` is taken.
    """
    from agejax.experiments.soup import SOUP

    return combine(SOUP, **given)
