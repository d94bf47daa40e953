"""What is printed of models and retrainings, on a narrow terminal too."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from fxd.commands.models import list_models, roll_back
from fxd.commands.retrain import shown_progress, tell_when
from fxd.commands.status import status
from fxd.commands.trainings import list_trainings
from fxd.config import Settings
from fxd.engines.tcn import TcnModel
from fxd.store.records import CurvePoint, Training
from fxd.store.store import Store
from fxd.training.lock import training_lock
from fxd.training.models import ModelError
from fxd.training.progress import Progress

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = "the new model is 0.95 dB better than another one in the median of 10 files"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.usefixtures("narrow")
def test_a_narrow_terminal_shows_retrainings_whole(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.begin_training(Training("one", NOON, "schedule", "running"))
    points = [CurvePoint(step, step / 100, -20.0, -30.0 - step / 1000) for step in range(0, 60_000, 1000)]
    store.add_points("one", points)
    store.finish_training("one", "promoted", None, REASON, NOON + timedelta(minutes=10))
    list_trainings(settings, as_json=False)
    head, figures, *reason = capsys.readouterr().out.splitlines()
    assert head.split() == ["started", "trained", "steps", "best", "dB", "curve"]
    assert figures.split()[1:5] == [f"{NOON.astimezone():%H:%M}", "9:50", "59,000", "-89.0"]
    assert figures.endswith("▂▁▁")
    assert f"promoted, {REASON}" in " ".join(" ".join(reason).split())
    assert max(map(len, (head, figures, *reason))) <= 60


@pytest.mark.usefixtures("narrow")
def test_a_narrow_terminal_shows_all_figures_of_a_training_instead_of_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with shown_progress() as show:
        show(Progress(30, 120, -20.0, -31.25, 3675.0))
    plain = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).split())
    assert re.search(
        r"loading loss -20.0 dB, validation -31.2 dB, 61:15 left, ends at [-0-9 ]*\d\d:\d\d", plain
    )


@pytest.mark.usefixtures("narrow")
def test_a_narrow_terminal_shows_the_whole_id_of_a_model(
    settings: Settings,
    make_network: Callable[..., TcnModel],
    keep_model: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    model_id = keep_model(make_network("20261124-174042-standard-2279"), weights=13_801, origin="factory")
    list_models(settings, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:4]]
    assert lines[0][1:] == ["factory", "-20.5", "13,801", "0.0", "min", "as", "now"]
    assert "".join(words[0] for words in lines).startswith(model_id)


@pytest.mark.parametrize("names", [[], ["first"], ["first", "second"]])
def test_a_list_of_models_as_json_tells_all_about_each(
    names: list[str],
    settings: Settings,
    make_network: Callable[..., TcnModel],
    keep_model: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = [keep_model(make_network(name), trained_on=("0123abcd",)) for name in names]
    list_models(settings, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert sorted(model["id"] for model in listed) == ids
    assert all(model["details"]["trained_on"] == ["0123abcd"] for model in listed)


def test_a_model_that_cannot_be_read_does_not_serve_again(
    settings: Settings, store: Store, make_network: Callable[..., TcnModel], keep_model: Callable[..., str]
) -> None:
    ids = [keep_model(make_network(name)) for name in ("first", "second")]
    for number, id in enumerate(ids):
        store.promote(id, "it is better", NOON + timedelta(hours=number))
    shutil.rmtree(settings.paths.models / "first")
    with pytest.raises(ModelError, match=r"first: No such file.*fxd models promote"):
        roll_back(settings)
    assert store.promotions()[0].model_id == "second"


def test_a_retraining_that_never_came_to_its_end_is_not_told_as_running(
    settings: Settings, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.begin_training(Training("one", NOON, "schedule", "running"))
    list_trainings(settings, as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["started_at"], listed["finished_at"]) == (NOON.isoformat(), None)
    for tell in (tell_when, partial(status, tmp_path), list_trainings):
        tell(settings, as_json=False)
        assert "cut off; the next one goes on with it" in capsys.readouterr().out
        with training_lock(settings.paths.db):
            tell(settings, as_json=False)
            assert "cut off" not in capsys.readouterr().out
