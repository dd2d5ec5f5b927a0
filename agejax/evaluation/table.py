"""The metrics of an evaluation as lines of text, at most 100 columns wide."""

from collections.abc import Iterator
from typing import Any

from agejax.evaluation.threshold_table import threshold_lines


def table(figures: dict[str, Any]) -> str:
    """The metrics of `agejax.evaluation.evaluate.evaluate` as a small table."""
    at_ages = threshold_lines(figures.get("thresholds", {}), whole=True)
    return "\n".join([*_whole(figures), *_groups(figures), *at_ages])


def _whole(figures: dict[str, Any]) -> Iterator[str]:
    people = f" of {figures['persons']:,} persons" if figures["persons"] else ""
    left_out = "none" if figures["left_out"] is None else figures["left_out"]
    yield (
        f"{figures['split']}: {figures['n']:,} faces{people} at step {figures['step']:,}"
        f" ({left_out} left out, whose images are in train)"
    )
    if figures["age"]["n"]:
        yield from _age(figures)
    for task in figures["uncalibrated"]:
        if task != "age" and figures[task]["n"]:
            yield _classes(figures, task)


def _age(figures: dict[str, Any]) -> Iterator[str]:
    age, base, before = figures["age"], figures["baseline"], figures["uncalibrated"]
    mae, inside = age["mae"], age["interval"]
    yield (
        f"  age MAE   {mae['median']:.2f} years by the median ({_ci(age['mae_interval'], 2)}), "
        f"{mae['mean']:.2f} by the mean, {mae['argmax']:.2f} by argmax"
    )
    yield (
        f"            a constant median has {_or_dash(base['age_mae'], '.2f')}; "
        f"bias {age['bias']:+.2f}; "
        f"CS@5 {age['cs5']:.1%}, exact age {age['accuracy']:.1%}, NLL {age['nll']:.3f}"
    )
    if inside["coverage"] is not None:
        yield (
            f"  interval  {inside['coverage']:.1%} of ages inside the {inside['level']:.0%} "
            f"interval, {inside['width']:.1f} years wide (uncalibrated: "
            f"{before['age']['interval']['coverage']:.1%}, "
            f"{before['age']['interval']['width']:.1f})"
        )
    yield from _balanced(figures.get("balanced", {}))
    aside = age["mae_when_set_aside"]
    yield (
        f"  certain   MAE {', '.join(f'{value:.2f}' for value in aside.values())} without the "
        f"{', '.join(aside)} of faces with the widest intervals"
    )


def _classes(figures: dict[str, Any], task: str) -> str:
    of, majority = figures[task], figures["baseline"].get(f"{task}_accuracy")
    return (
        f"  {task:9} {of['accuracy']:.1%} ({_ci(of['accuracy_interval'], 1, 100)}); "
        f"the majority {_or_dash(majority, '.1%')}; ECE {of['ece']:.1%} "
        f"(uncalibrated: {figures['uncalibrated'][task]['ece']:.1%})"
    )


def _groups(figures: dict[str, Any]) -> Iterator[str]:
    yield (
        f"  {'':22}{'n':>7}{'MAE':>7}{'/all':>6}  {'95% over ' + figures['interval_over']:16}"
        f"{'bias':>7}{'CS@5':>8}{'inside':>8}{'gender':>8}"
    )
    mean = figures["age"].get("mae", {}).get("median")
    for kind, groups in figures["groups"].items():
        ratio = figures["worst_to_mean"][kind]
        worst = f": the worst has {ratio:.2f} times the MAE of all" if ratio else ""
        yield f"  by {kind}{worst}"
        yield from _equality(figures.get("equality", {}).get(kind))
        for name, of in groups.items():
            interval = _ci(of["mae_interval"], 2).removeprefix("95%: ")
            shares = "".join(f"{_percent(of[key])}" for key in ("cs5", "coverage"))
            yield (
                f"    {name[:20]:20}{of['n']:7,}{_years(of['mae'], '')}{_share(of['mae'], mean)}"
                f"  {interval:16}{_years(of['bias'], '+')}{shares}"
                f"{_percent(of.get('gender_accuracy'))}"
            )


def _balanced(balanced: dict[str, Any]) -> Iterator[str]:
    if not balanced:
        return
    cells, years = balanced["sex_and_age"], balanced["years"]
    said = f"MAE {_or_dash(years['mae'], '.2f')} over single years ({_ci(years['interval'], 2)})"
    if cells["cells"]:
        said += f", {cells['mae']:.2f} over {cells['cells']} cells of sex and age"
    yield f"  balanced  {said}"
    shots = [
        f"{name}-shot {of['mae']:.2f} ({of['n']:,} faces)"
        for name in ("many", "medium", "few")
        if (of := balanced[name]) and of["n"]
    ]
    if shots:
        yield f"            by training faces of the age: {', '.join(shots)}"


def _equality(of: dict[str, Any] | None) -> Iterator[str]:
    """The worst group, and whether chance alone makes groups so unlike."""
    if not of or of["cells"] < 2 or of["p"] is None:
        return
    worst = of["worst"]
    interval = _ci(worst["simultaneous"], 2).removeprefix("95%: ")
    yield (
        f"    equal MAE in {of['cells']} groups: p {_p(of['p'])}, corrected; worst "
        f"{worst['group'][:30]}, {interval} for all groups"
    )


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def _ci(interval: list[float] | None, digits: int, scale: float = 1) -> str:
    if interval is None:
        return "95%: unknown"
    return "95%: " + " to ".join(f"{end * scale:.{digits}f}" for end in interval)


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _years(value: float | None, sign: str) -> str:
    return f"{'-':>7}" if value is None else f"{value:{sign}7.2f}"


def _share(value: float | None, of: float | None) -> str:
    return f"{value / of:6.2f}" if value is not None and of else f"{'-':>6}"


def _percent(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:8.1%}"
