"""A step with a teacher, whose batch is divided among devices, does what it does on one."""

import pytest

from agejax.distributed.mesh import make_mesh
from tests.steps.test_step import assert_close
from tests.steps.test_teaching import config, taught, teaching

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_four_devices_are_taught_as_one_is():
    one = taught(steps=2, teaching=teaching(config()))
    four = taught(steps=2, mesh=make_mesh(), teaching=teaching(config()))
    assert four[1] == pytest.approx(one[1], rel=1e-5)
    assert_close(four[0]["params"], one[0]["params"])
