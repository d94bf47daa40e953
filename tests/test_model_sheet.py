"""What `fxd models show` tells a person, whatever the card says."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fxd.commands.model_sheet import MOST_SHOWN, card_of, print_sheet
from fxd.config import SaturatorSettings, Settings, load_settings
from fxd.factory import factory_folder
from fxd.home import make_home
from fxd.store.records import Model
from fxd.training.models import Score, read_card


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_home(tmp_path / "home")
    return load_settings(tmp_path / "home")


@pytest.fixture
def model() -> Model:
    return read_card(factory_folder("compact")).record()


def sheet(
    capsys: pytest.CaptureFixture[str], settings: Settings, model: Model, names: dict[str, str] | None = None
) -> str:
    print_sheet(settings, model, card_of(model), False, [], [], names or {})
    return " ".join(capsys.readouterr().out.split())


def changed(model: Model, **fields: Any) -> Model:
    return replace(model, details=model.details | fields)


def test_the_sheet_of_a_factory_model(
    capsys: pytest.CaptureFixture[str], settings: Settings, model: Model
) -> None:
    told = sheet(capsys, settings, model)
    for part in (
        f"{model.id}, which does not serve",
        "began with random weights",
        "compact: 4,218 weights, 3,976 multiply-adds a frame at 48,000 Hz, hears 64 ms back",
        "drive 5.0, asymmetry 0.2, tone_hz 5000.0, output_gain 0.8, antialias on: as now",
        f"{model.steps:,} steps in",
        "in compiled kernels on cpu, seed 0",
        "trained on 14 sounds",
    ):
        assert part in told


def test_another_saturator_is_told(
    capsys: pytest.CaptureFixture[str], settings: Settings, model: Model
) -> None:
    other = settings.model_copy(update={"saturator": SaturatorSettings(drive=9)})
    assert "antialias on: another than config.toml has now" in sheet(capsys, other, model)


def test_sounds_come_worst_first_and_no_more_than_one_can_read(
    capsys: pytest.CaptureFixture[str], settings: Settings, model: Model
) -> None:
    scores = [Score(content_sha256=f"{n:064}", seconds=1.0, esr_db=-float(n)) for n in range(25)]
    broken = Score(content_sha256="f" * 64, seconds=1.0, esr_db=None)
    details = [score.model_dump() for score in (*reversed(scores), broken)]
    told = sheet(capsys, settings, changed(model, scores=details), {f"{3:064}": "ri\x1b[2Jff.wav"})
    assert "worst first; 6 more in --json" in told
    assert told.index("nan or inf") < told.index(" -1.0") < told.index(" -18.0")
    assert "-19.0" not in told
    assert "\x1b[2J" not in told
    assert told.count("000000000000 1.0") == MOST_SHOWN - 2
    assert "ri" in told


def test_a_card_with_little_in_it_and_one_of_another_version(
    capsys: pytest.CaptureFixture[str], settings: Settings, model: Model
) -> None:
    bare = changed(model, recipe={}, environment={}, scores=[], trained_on=[])
    assert "trained on 0 sounds" in sheet(capsys, settings, bare)
    unreadable = replace(model, details={"scores": "?"}, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    told = sheet(capsys, settings, unreadable)
    assert "another version of fxd wrote it" in told
    assert model.reason in told


@pytest.mark.parametrize(
    "fields",
    [{"architecture": {}}, {"recipe": {"max_minutes": "12"}}, {"environment": {"libraries": [1]}}],
    ids=str,
)
def test_a_card_whose_inside_is_of_another_version(
    capsys: pytest.CaptureFixture[str], settings: Settings, model: Model, fields: dict[str, Any]
) -> None:
    told = sheet(capsys, settings, changed(model, **fields))
    assert "another version of fxd wrote it" in told
    assert "perc_bell.flac" in told
