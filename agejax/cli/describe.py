"""`agejax describe`: what a model costs."""

import argparse
import os
from pathlib import Path
from typing import Any

from agejax.utils.streams import check_stdout


def add(commands: Any) -> None:
    """Declares the command."""
    command = commands.add_parser("describe", help="what a model costs: weights, FLOPs, speed")
    text = "a config, a run, such as runs/small, or a file of weights (those that come with agejax)"
    command.add_argument("config", nargs="?", type=Path, help=text)
    command.add_argument("--dry", action="store_true", help="count only, time nothing")
    command.add_argument(
        "--devices",
        type=_numbers,
        default=(),
        metavar="N,N",
        help="tell instead what a training step exchanges on so many devices, which need not be",
    )
    command.add_argument("--link", type=float, default=50, help="GB/s of each, for the next")
    command.add_argument("--step", type=float, help="ms of a step on one: tells the efficiency")
    command.set_defaults(run=run)


def _numbers(text: str) -> tuple[int, ...]:
    """Those of "8,64"."""
    if not all(part.isdecimal() and int(part) for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as 8,64")
    return tuple(map(int, text.split(",")))


def run(
    config: Path | None, dry: bool, devices: tuple[int, ...], link: float, step: float | None
) -> int:
    """Prints what the model of a config or of a run costs, on one machine or on many devices.

    Of the weights that come with agejax, also what they are.

    Raises:
      UserError: there is no such config or run.
    """
    check_stdout()
    if devices:  # before JAX looks for some
        os.environ["JAX_PLATFORMS"] = "cpu"
        fake = f" --xla_force_host_platform_device_count={max(devices)}"
        os.environ["XLA_FLAGS"] = os.getenv("XLA_FLAGS", "") + fake
    from agejax.checkpoints.run_dir import config_named
    from agejax.experiments.describe import describe
    from agejax.experiments.scaling import exchange_lines
    from agejax.training.compilation_cache import keep_compiled

    keep_compiled()
    if config is None:
        from agejax import pretrained
        from agejax.pretrained.model_card import essence

        config, dry = pretrained.faces(), True
        for line in essence(pretrained.card()):
            print(line)
    wanted = config_named(config)
    if devices:
        lines = exchange_lines(wanted, devices, link, step)
    else:
        lines = describe(wanted, measure=not dry)
    for line in lines:
        print(line, flush=True)
    return 0
