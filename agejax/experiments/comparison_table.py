"""Formats a comparison as text or Markdown, with the cost of each side."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agejax.checkpoints.provenance import read_sessions
from agejax.checkpoints.run_dir import of_the_run
from agejax.errors import UserError
from agejax.experiments.describe import size_of

TITLES = {"age": "age MAE, years", "gender": "gender accuracy"}
_BY_CHANCE = {"noise": "noise", "unknown": "?", "reference": ""}


def comparison_table(figures: Mapping[str, Any]) -> str:
    """Formats the result of `agejax.experiments.compare.compare` in at most 100 columns."""
    people = f" of {figures['persons']:,} persons" if figures["persons"] else ""
    lines = [f"{figures['split']}: {figures['n']:,} faces{people}"]
    for task in figures["tasks"]:
        lines += _task(task, figures)
    return "\n".join([*lines, *notes(figures)])


def _task(task: str, figures: Mapping[str, Any]) -> Iterator[str]:
    against, constant = figures["against"], figures["tasks"][task]["constant"]
    wide = min(32, max(map(len, (*figures["sides"], TITLES[task]))))
    yield ""
    yield (
        f"{TITLES[task]:{wide}}  runs    mean  {'95%':14}    less {against[-24:]}, 95%, p (Holm)"
    )
    for name in ranked(figures, task):
        of = figures["sides"][name][task]
        row = f"{name[-wide:]:{wide}}  {len(of['runs']):4}  {number(task, of['value']):>6}  "
        row += f"{ends(task, of['interval']):14}"
        if name != against:
            row += f"  {number(task, of['difference'], '+'):>6}"
            row += f"  {ends(task, of['difference_interval'], '+'):16}"
            row += "  " + ("-" if of["p_holm"] is None else p_value(of["p_holm"]))
            row += f"  {_BY_CHANCE.get(of['verdict'], of['verdict'])}"
        yield row.rstrip()
    if constant is not None:
        yield f"{'constant':{wide}}        {number(task, constant):>6}"


def notes(figures: Mapping[str, Any]) -> Iterator[str]:
    """Explains the intervals, the differences and the verdicts."""
    deviations = {t: of["seed_deviation"] for t, of in figures["tasks"].items()}
    known = [f"{number(t, x)} ({t})" for t, x in deviations.items() if x is not None]
    degrees = max(of["seed_degrees"] for of in figures["tasks"].values())
    seeds = (
        f"differences include the variance between seeds: a standard deviation of "
        f"{', '.join(known)}, pooled over all sides, {degrees} degrees of freedom"
        if known
        else "the variance between seeds is not included, as no side has two runs"
    )
    every = " (every pair: the reference was chosen by these figures)" if figures["chosen"] else ""
    n = figures["comparisons"]
    yield ""
    yield f"Intervals are over {figures['interval_over']}, paired; {seeds}."
    yield (
        f"noise: not significant (p > 0.05 after Holm's correction for {n} "
        f"comparison{'s' if n > 1 else ''} per task{every})."
    )
    for name, side in figures["sides"].items():
        if rows := side["ignored"]:
            yield f"{name}: {rows:,} rows of other faces are ignored."


def markdown(figures: Mapping[str, Any], costs: Mapping[str, Mapping[str, Any]]) -> str:
    """Formats a comparison as a Markdown table with weights, FLOPs and command of each side."""
    against = figures["against"]
    tasks = list(figures["tasks"])
    titles = ["", "runs", "weights", "GFLOP a face"]
    for task in tasks:
        titles += [f"{figures['split']} {TITLES[task]}", f"less {against}"]
    commands: dict[str, int] = {}
    rows = [[*titles, "command"], ["---"] * (len(titles) + 1)]
    row = ["constant median, majority", "", "", ""]
    for task in tasks:
        constant = figures["tasks"][task]["constant"]
        row += ["" if constant is None else number(task, constant), ""]
    rows.append([*row, ""])
    for name in ranked(figures, tasks[0]):
        of, cost = figures["sides"][name], costs.get(name, {})
        weights, flops = cost.get("weights"), cost.get("flops")
        row = [f"`{name}`", str(len(of[tasks[0]]["runs"]))]
        row += [f"{weights / 1e6:.2f} M" if weights else "", f"{flops / 1e9:.3f}" if flops else ""]
        for task in tasks:
            row += _cells(task, of[task], name == against)
        command = cost.get("command")
        number_of = commands.setdefault(command, len(commands) + 1) if command else ""
        rows.append([*row, f"({number_of})" if number_of else ""])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    below = "\n".join(line for line in notes(figures) if line)
    listed = "\n".join(f"({i}) {command}" for command, i in commands.items())
    return "\n\n".join([table, below, *([f"```\n{listed}\n```"] if listed else [])])


def _cells(task: str, of: Mapping[str, Any], reference: bool) -> list[str]:
    value = number(task, of["value"])
    if of["interval"]:
        value += f" ({ends(task, of['interval'])})"
    if reference:
        return [value, ""]
    apart = number(task, of["difference"], "+")
    if of["difference_interval"]:
        apart += f" ({ends(task, of['difference_interval'], '+')})"
    return [value, f"{apart}, {of['verdict']}"]


def costs(sides: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, Any]]:
    """{side: {"weights", "flops" (per face), "command"}} of its first run; {} for another tool.

    The command is the one that started the run, or its sweep.
    """
    found: dict[str, dict[str, Any]] = {}
    sizes: dict[str, tuple[int, float]] = {}
    for name, (first, *_) in sides.items():
        found[name] = {}
        try:
            config = of_the_run(first, {})
        except (UserError, OSError):
            continue
        key = json.dumps([str(config.data.size), str(config.model), str(config.tasks)])
        if key not in sizes:
            sizes[key] = size_of(config)
        weights, flops = sizes[key]
        found[name] = {"weights": weights, "flops": flops}
        if sessions := read_sessions(first):
            words = shlex.split(sessions[0].get("command", ""))
            kept = [word for word in words if not word.startswith("--run=")]
            found[name]["command"] = shlex.join(kept)
    return found


def ranked(figures: Mapping[str, Any], task: str) -> list[str]:
    """The sides, best first."""
    sign = 1 if task == "age" else -1
    return sorted(figures["sides"], key=lambda name: sign * figures["sides"][name][task]["value"])


def p_value(p: float) -> str:
    """Formats a p value."""
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def number(task: str, value: float, sign: str = "") -> str:
    """Formats years with two decimals, accuracies in percent."""
    return f"{value:{sign}.2f}" if task == "age" else f"{value * 100:{sign}.1f}%"


def ends(task: str, interval: Sequence[float] | None, sign: str = "") -> str:
    """Formats an interval as "low to high"."""
    if interval is None:
        return "unknown"
    return " to ".join(number(task, end, sign).removesuffix("%") for end in interval)
