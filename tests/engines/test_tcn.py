import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import safetensors
from safetensors.numpy import save_file

from fxd.config import Preset
from fxd.engines.engine import Array
from fxd.engines.tcn import PRESETS, Architecture, LayerArray, Tcn, TcnModel, load_weights, save_weights


def model(preset: str = "nano") -> TcnModel:
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in PRESETS[preset].shapes().items()
    }
    return TcnModel("a-model", PRESETS[preset], "0123456789ab", weights)


def test_every_preset_that_can_be_configured_exists() -> None:
    assert set(PRESETS) == set(get_args(Preset))


@pytest.mark.parametrize(
    ("preset", "weight_count", "receptive_field"),
    [
        ("standard", 13_802, 4093),
        ("lite", 6_554, 4093),
        ("feather", 3_026, 4093),
        ("nano", 842, 4093),
        ("compact", 4_218, 3081),
    ],
)
def test_presets_have_the_size_of_their_namesakes(
    preset: str, weight_count: int, receptive_field: int
) -> None:
    assert PRESETS[preset].weight_count == weight_count
    assert PRESETS[preset].receptive_field == receptive_field


@pytest.mark.parametrize("preset", PRESETS)
def test_an_architecture_survives_json(preset: str) -> None:
    assert Architecture.from_json(PRESETS[preset].to_json()) == PRESETS[preset]


def test_arrays_that_do_not_fit_each_other_are_refused() -> None:
    first, second = PRESETS["standard"].arrays
    with pytest.raises(ValueError, match="layer array 1: input_size is 8, it must be 16"):
        Architecture((first, replace(second, input_size=8)))
    with pytest.raises(ValueError, match="layer array 1: channels is 4, it must be 8"):
        Architecture((first, replace(second, channels=4)))
    with pytest.raises(ValueError, match="layer array 0: head_size is 8, it must be 1"):
        Architecture((first,))
    with pytest.raises(ValueError, match="layer array 0: activation is 'ReLU', it must be 'Tanh'"):
        Architecture.from_json(PRESETS["compact"].to_json().replace("Tanh", "ReLU"))


def test_arrays_without_layers_or_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one layer array"):
        Architecture(())
    with pytest.raises(ValueError, match="it has no layer"):
        Architecture((LayerArray(1, 8, 1, head_bias=True, dilations=()),))
    with pytest.raises(ValueError, match="1 or more"):
        Architecture((LayerArray(1, 8, 1, head_bias=True, dilations=(1, 0)),))


@pytest.mark.parametrize("text", ["[]", "{}", '{"arrays": [{}], "head_scale": 1}', "nonsense"])
def test_json_that_is_no_architecture_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|Expecting value"):
        Architecture.from_json(text)


def test_a_model_comes_back_from_disk_as_it_was(tmp_path: Path) -> None:
    saved = model()
    save_weights(tmp_path / "weights.safetensors", saved)
    loaded = load_weights(tmp_path / "weights.safetensors")
    assert loaded.weights.keys() == saved.weights.keys()
    for name, weight in saved.weights.items():
        assert np.array_equal(loaded.weights[name], weight), name
    assert vars(replace(loaded, weights=saved.weights)) == vars(saved)


def rewrite(path: Path, tensors: dict[str, Array], **metadata: str) -> None:
    """Give the model file at `path` other tensors or metadata."""
    with safetensors.safe_open(path, framework="numpy") as file:
        kept = {name: file.get_tensor(name) for name in list(file.keys())}
        save_file(kept | tensors, path, file.metadata() | metadata)


def test_a_tensor_that_does_not_fit_is_named_with_what_was_expected(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, model())
    rewrite(path, {"1.residual": np.zeros((13, 2, 3), np.float32)})
    with pytest.raises(
        ValueError, match=r"weights.safetensors: tensor 1.residual is float32 \(13, 2, 3\), .* \(13, 2, 2\)"
    ):
        load_weights(path)


def test_a_tensor_of_another_type_or_with_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, model())
    rewrite(path, {"0.rechannel": np.full((4, 1), np.nan, np.float32)})
    with pytest.raises(ValueError, match=r"tensor 0.rechannel holds nan or inf"):
        load_weights(path)
    rewrite(path, {"0.rechannel": np.zeros((4, 1), np.float16)})
    with pytest.raises(ValueError, match=r"tensor 0.rechannel is float16 .* expected float32"):
        load_weights(path)


def test_missing_and_foreign_tensors_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, model())
    rewrite(path, {"stranger": np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match="tensor stranger belongs to no layer"):
        load_weights(path)
    save_weights(path, model())
    rewrite(path, {}, architecture=PRESETS["standard"].to_json())
    with pytest.raises(ValueError, match=r"tensor \d\.\w+ is float32"):
        load_weights(path)
    weights = dict(model().weights)
    del weights["1.head_bias"]
    with pytest.raises(ValueError, match=r"tensor 1.head_bias is missing, expected shape \(1,\)"):
        replace(model(), weights=weights)


@pytest.mark.parametrize("content", [b"", b"RIFF", json.dumps({"weights": []}).encode()])
def test_a_file_that_is_no_model_is_a_value_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"weights.safetensors: this is no safetensors file"):
        load_weights(path)


def test_safetensors_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, path)
    with pytest.raises(ValueError, match="the metadata lacks 'id'"):
        load_weights(path)


def test_the_engine_is_versioned_by_its_model() -> None:
    engine = Tcn(model())
    assert (engine.name, engine.version) == ("tcn", "a-model")
