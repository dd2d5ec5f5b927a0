"""What the tests of predictions share with those of the service."""

from tests.serve.conftest import serving  # noqa: F401
