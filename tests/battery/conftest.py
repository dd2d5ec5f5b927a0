"""Prints the battery's figures."""

from tests.battery.counts import FIGURES


def pytest_terminal_summary(terminalreporter, config):
    if FIGURES and config.option.markexpr == "battery":
        terminalreporter.section("figures")
        terminalreporter.write_line("| test | figure |")
        terminalreporter.write_line("|---|---|")
        for test, figure in FIGURES:
            terminalreporter.write_line(f"| {test} | {figure} |")
