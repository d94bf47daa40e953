"""A minute of what `make live` does for half an hour."""

from pathlib import Path

import pytest

from tests.load.live import serving, soak


@pytest.mark.slow
def test_a_minute_of_switching_between_equal_engines_clicks_nowhere_and_keeps_its_memory(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, 64) as running:
        told = soak(1, running)
    assert told.switches == 60
    assert told.is_good, told
