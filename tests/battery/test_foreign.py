"""A thousand run folders of others: nothing is imported, and nothing written outside of them."""

import pytest

from tests.battery.counts import counts
from tests.battery.test_damaged_inputs import survive


@pytest.mark.parametrize("n", counts(1000, smoke=10))
def test_a_run_of_others_imports_writes_and_reads_nothing_else(launcher, tmp_path, run, n):
    name = "configs of foreign runs: no import, no write outside, nothing of the user's read"
    survive(launcher, "foreign", name, n, [str(tmp_path), str(run)])
