"""The tests of steps, checkpoints, exports and determinism, on this device."""

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from figures import SMOKE, Figures

ROOT = Path(__file__).parents[2]
CHOSEN = (
    "tests/steps",
    "tests/checkpoints/test_checkpoint.py",
    "tests/checkpoints/test_verify.py",
    "tests/checkpoints/test_async_save.py",
    "tests/export/test_primitives.py",
    "tests/export/test_artefact.py",
)
SMALLEST = ("tests/steps/test_deterministic.py",)


def main():
    figures, start = Figures("chosen_tests"), time.perf_counter()
    report = Path(os.environ["GPU_WORK"], "tests.xml")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}"]
        + ["-o", "addopts=", "-q", "-m", "not battery", "--tb=short"]
        + ([] if SMOKE else ["-n", "6", "--dist", "loadfile"])
        + list(SMALLEST if SMOKE else CHOSEN),
        cwd=ROOT,
    )
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('classname')}::{case.get('name')}": (problem.get("message") or "")[:500]
        for case in cases
        for problem in case
        if problem.tag in ("failure", "error")
    }
    skipped = sum(case.find("skipped") is not None for case in cases)
    seconds = time.perf_counter() - start
    passed = len(cases) - len(failed) - skipped
    figures.write("tests", {"passed": passed, "skipped": skipped, "failed": failed})
    figures.line(
        f"tests: {passed} passed, {skipped} skipped, {len(failed)} failed in {seconds:.0f} s"
    )
    for name, message in failed.items():
        figures.line(f"  {name}: {message.splitlines()[0][:150] if message else ''}")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
