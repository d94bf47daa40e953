"""The width of vectors follows the processor; every instruction is right at every width."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OTHER_PROCESSORS = {
    8: {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    4: {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""},
    1: {"NUMBA_CPU_NAME": "generic"},
}
SCRIPT = """
import runpy, sys
from fxd.vectors.registers import LANES
assert LANES == int(sys.argv[1]), LANES
for path in sys.argv[2:]:
    tests = [test for name, test in runpy.run_path(path).items() if name.startswith("test_")]
    assert tests, path
    for test in tests:
        test()
"""
INSTRUCTIONS = ("test_memory.py", "test_arithmetic.py", "test_sums.py")


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names processors of x86-64")
@pytest.mark.parametrize("lanes", OTHER_PROCESSORS)
def test_the_width_follows_the_processor_and_every_width_is_right(lanes: int) -> None:
    files = [Path(__file__).with_name(name) for name in INSTRUCTIONS]
    environment = {**os.environ, **OTHER_PROCESSORS[lanes]}
    subprocess.run([sys.executable, "-c", SCRIPT, str(lanes), *files], env=environment, check=True)
