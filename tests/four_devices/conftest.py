"""Tests of several devices, for a process that has four.

tests/distributed/test_four_devices.py runs them in one; to run them by hand:
XLA_FLAGS=--xla_force_host_platform_device_count=4 pytest tests/four_devices
"""

import os

if "device_count=" not in os.environ.get("XLA_FLAGS", ""):
    collect_ignore_glob = ["test_*.py"]
