"""The command that makes factory models."""

from collections.abc import Callable
from pathlib import Path

import pytest

import fxd.factory
from fxd.config import SaturatorSettings, Settings, TcnSettings
from fxd.engines.tcn import TcnModel
from fxd.factory import install_factory_model
from fxd.factory.make import CLIPS, main
from fxd.store.store import Store
from fxd.training import challenge
from fxd.training.models import ModelCard, read_card, write_model
from fxd.training.plan import Plan


def test_a_factory_model_is_made_by_the_projects_own_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, store: Store
) -> None:
    monkeypatch.setattr(challenge, "plan_for", lambda *_, **__: Plan(steps=40, validate_every=20, batch=1))
    monkeypatch.setenv("FXD_SATURATOR__DRIVE", "2")
    clips = [str(CLIPS / f"{name}.flac") for name in ("loop_electric", "guit_harmonics", "loop_amen")]
    assert main(["--preset", "nano", "--into", str(tmp_path / "made"), *clips]) == 0
    card = read_card(tmp_path / "made" / "nano")
    assert (card.origin, card.preset, card.parent) == ("factory", "nano", None)
    assert card.saturator == SaturatorSettings()
    assert (len(card.trained_on), len(card.scores)) == (2, 1)
    assert card.environment["host"] == ""

    monkeypatch.setattr(fxd.factory, "FACTORY", tmp_path / "made")
    nano = settings.model_copy(update={"tcn": TcnSettings(preset="nano")})
    assert install_factory_model(nano, store).id == card.id


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "1e9"])
def test_a_budget_that_is_none_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([f"--minutes={minutes}"])
    assert f"--minutes {float(minutes):g}: more than 0" in capsys.readouterr().err


def test_a_training_without_a_result_leaves_the_factory_as_it_was(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make_network: Callable[..., TcnModel],
    make_card: Callable[..., ModelCard],
) -> None:
    network, factory = make_network("before"), tmp_path / "factory"
    write_model(factory / "nano", network, make_card(network))
    before = read_card(factory / "nano")
    only_validation = str(CLIPS / "loop_amen.flac")
    assert main(["--preset", "nano", "--into", str(factory), only_validation]) == 1
    assert "no factory model nano was made: the training set is empty" in capsys.readouterr().err
    assert read_card(factory / "nano") == before
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    assert main(["--into", str(factory), str(tmp_path / "broken.wav")]) == 1
    assert "broken.wav: it is not audio" in capsys.readouterr().err
