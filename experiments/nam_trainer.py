"""What NAM's own trainer makes of the clips in a given time, judged on those that it did not hear.

    python -m experiments.nam_trainer train 0 runs/nam --minutes 10      and 1, and 2
    python -m experiments.nam_trainer judge runs/nam/0 runs/nam/1 runs/nam/2

It needs `neural-amp-modeler==0.12.3` beside fxd: the last release whose simplified trainer makes the `standard`
network (later ones train two smaller networks of another kind at once). Judging needs fxd only, and takes any
three models that were trained on the three thirds.

The thirds are those of `experiments.material`. Wet sounds are rendered by the saturator at default settings.

As NAM would do it (`nam.train.core.train`): network `standard`, mean squared error with 2e-4 of a
multi-resolution STFT loss after a pre-emphasis of 0.85, Adam at 4e-3 without weight decay, a decay of the
learning rate with every epoch, batches of 16 segments of 8,192 frames, seed 0, a validation after every epoch,
and the weights that did best in one. Datasets, loss, network, optimiser and the loop are NAM's code, on one
thread.

In its favour, as minutes are not what it was made for:

- The whole course of the learning rate fits into the time, so that it falls by 0.993^100 as in its 100 epochs.
  How many epochs fit is measured beforehand and rounded up; neither that nor loading is charged. What they took
  in the end stands beside the scores.
- It validates with the last twelfth of every clip, so that it hears something of each; 9 seconds in its own
  input file are a twentieth. Clips begin at rest there as they do when they are judged, after 0.1 s of silence.
- Checkpoints are those of its full trainer: the simplified one writes .nam files as well after every epoch.
- There is no latency to correct. Its files hold 24 bits and no peak above full scale; so the wet sound, which is
  rendered from what the dry file holds, is scaled to 0.95, and the network's output is scaled back.

All channels of a clip are trained on, one after the other, and judged together.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from experiments.material import judge, one_third, pairs_of, two_thirds
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import MODEL_SAMPLE_RATE, PRESETS, Tcn, TcnModel, load_weights, save_weights
from fxd.metrics import decibels, esr
from fxd.training.models import WEIGHTS_NAME
from fxd.training.pairs import Part, read_dry

EPOCHS = 100
DECAY = 0.007
"""Of the learning rate, in each of so many epochs: NAM's defaults."""
BATCH = 16
SEGMENT_FRAMES = 8192
HEAD_SCALE = 0.02
VALIDATION_SHARE = 1 / 12
LEAD = np.zeros(4800, np.float32)
"""Silence before every clip, longer than the receptive field."""
PAUSE = np.zeros(24_000, np.float32)
"""Silence before the validation: NAM's datasets insist on 0.4 s."""
PEAK = 0.95
MEASURED_STEPS = 5


@dataclass(frozen=True)
class Material:
    """A pair as NAM wants it: two files of equal length, the validation at their end."""

    dry: Path
    wet: Path
    validation_start: int
    """In frames."""
    scale: float
    """What the saturator's output was multiplied by."""


def write_material(clips: Sequence[Path], folder: Path) -> Material:
    """Write the clips, one channel after the other, as one dry and one wet file at the model's sample rate."""
    heads, tails = [], []
    for channel in (channel for clip in clips for channel in read_dry(clip, Part())):
        cut = round(len(channel) * (1 - VALIDATION_SHARE))
        heads += [LEAD, channel[:cut]]
        tails += [LEAD, channel[cut:]]
    training = np.concatenate([*heads, PAUSE])
    dry_path, wet_path = folder / "input.wav", folder / "output.wav"
    soundfile.write(dry_path, np.concatenate([training, *tails]), MODEL_SAMPLE_RATE, subtype="PCM_24")
    dry, _ = soundfile.read(dry_path, dtype="float32")
    wet = render(Saturator(SaturatorSettings()), dry[None], MODEL_SAMPLE_RATE)[0]
    scale = PEAK / float(np.abs(wet).max())
    soundfile.write(wet_path, scale * wet, MODEL_SAMPLE_RATE, subtype="PCM_24")
    return Material(dry_path, wet_path, len(training), scale)


def configurations(material: Material, epochs: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """NAM's own for data, network and learning; the data are ours, the decay is fitted to `epochs`."""
    from nam.train import core
    from nam.train._version import Version

    decay = 1 - (1 - DECAY) ** (EPOCHS / epochs)
    # The version is that of NAM's own input file; all that follows from it is replaced.
    data, network, learning = core._get_configs(
        input_version=Version(3, 0, 0),
        input_path=str(material.dry),
        output_path=str(material.wet),
        latency=0,
        epochs=epochs,
        model_type="WaveNet",
        architecture=core.Architecture.STANDARD,
        ny=SEGMENT_FRAMES,
        lr=0.004,
        lr_decay=decay,
        batch_size=BATCH,
        fit_mrstft=True,
    )
    data["train"] = {"ny": SEGMENT_FRAMES, "stop_samples": material.validation_start}
    data["validation"] = {"ny": None, "start_samples": material.validation_start}
    learning["trainer"] |= {"enable_progress_bar": False, "accelerator": "cpu"}
    return data, network, learning


def prepared(material: Material, epochs: int) -> tuple[Any, Any, Any, dict[str, Any], dict[str, Any]]:
    """A network before its first step, training and validation batches, and the configurations behind them."""
    import torch
    from nam.train import core
    from nam.train.lightning_module import LightningModule

    torch.manual_seed(0)
    data, network, learning = configurations(material, epochs)
    module = LightningModule.init_from_config(network)
    training, validation = core._get_dataloaders(data, learning, module)
    module.net.sample_rate = MODEL_SAMPLE_RATE
    return module, training, validation, network, learning


def epoch_seconds(material: Material) -> float:
    """What an epoch takes here, measured on a few steps and a validation."""
    import torch

    module, training, validation, _, _ = prepared(material, EPOCHS)
    optimizer = module.configure_optimizers()["optimizer"]

    def steps() -> Iterator[float]:
        for index, batch in enumerate(islice(training, MEASURED_STEPS + 1)):
            began = time.monotonic()
            optimizer.zero_grad()
            module.training_step(batch, index).backward()
            optimizer.step()
            yield time.monotonic() - began

    step = statistics.median(list(steps())[1:])
    began = time.monotonic()
    with torch.no_grad():
        module._shared_step(next(iter(validation)))
    return step * len(training) + time.monotonic() - began


def fit(material: Material, epochs: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The network with NAM's best weights after so many epochs, and how it went."""
    import pytorch_lightning
    from nam.train import full
    from nam.train.lightning_module import LightningModule

    module, training, validation, network, learning = prepared(material, epochs)
    trainer = pytorch_lightning.Trainer(
        callbacks=full._create_callbacks(learning), default_root_dir=folder, **learning["trainer"]
    )
    began = time.monotonic()
    trainer.fit(module, training, validation)
    seconds = time.monotonic() - began
    best = trainer.checkpoint_callback.best_model_path
    module = LightningModule.load_from_checkpoint(best, **LightningModule.parse_config(network))
    course = {
        "seconds": round(seconds, 1),
        "epochs": epochs,
        "steps": trainer.global_step,
        "audio_seconds_an_epoch": round(len(training) * BATCH * SEGMENT_FRAMES / MODEL_SAMPLE_RATE, 1),
        "last_learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
        "best": Path(best).stem,
        "last_esr_db": round(decibels(float(trainer.callback_metrics["ESR"])), 2),
    }
    return module.net.eval(), course


def imported(numbers: Array, scale: float) -> TcnModel:
    """The network with these weights, in the order of a .nam file, that learned a wet sound times `scale`."""
    architecture = replace(PRESETS["standard"], head_scale=HEAD_SCALE / scale)
    weights = {name: np.empty(shape, np.float32) for name, shape in architecture.shapes().items()}
    places: list[Array] = []
    for index, array in enumerate(architecture.arrays):
        own = {name: weights[f"{index}.{name}"] for name in array.shapes()}
        layer_names = ("conv", "conv_bias", "mix", "residual", "residual_bias")
        layers = [own[name][layer] for layer in range(len(array.dilations)) for name in layer_names]
        places += [own["rechannel"], *layers, own["head"], *([own["head_bias"]] if array.head_bias else [])]
    if len(numbers) != architecture.weight_count:
        raise ValueError(f"{len(numbers)} weights, expected {architecture.weight_count}")
    at = 0
    for place in places:
        place[...] = numbers[at : at + place.size].reshape(place.shape)
        at += place.size
    return TcnModel("nam", architecture, settings_hash(SaturatorSettings()), weights)


def difference_db(net: Any, model: TcnModel, scale: float, clip: Path) -> float:
    """How far the imported network is from NAM's, which is to be rounding alone."""
    import torch

    dry = read_dry(clip, Part())[:1]
    with torch.no_grad():
        theirs = net(torch.from_numpy(dry), pad_start=True).numpy() / scale
    return decibels(esr(theirs, render(Tcn(model), dry, MODEL_SAMPLE_RATE)))


def train(third: int, runs: Path, minutes: float) -> None:
    """Train on all clips but those of a third; model, scores and how it went lie in `runs` / `third` then."""
    import torch

    torch.set_num_threads(1)
    folder = runs / str(third)
    folder.mkdir(parents=True, exist_ok=True)
    material = write_material(two_thirds(third), folder)
    seconds = epoch_seconds(material)
    net, course = fit(material, math.ceil(60 * minutes / seconds), folder)
    model = imported(net._export_weights(), material.scale)
    save_weights(folder / WEIGHTS_NAME, model)
    course |= {
        "measured_epoch_seconds": round(seconds, 2),
        "wet_scale": round(material.scale, 4),
        "difference_from_nam_db": round(difference_db(net, model, material.scale, one_third(third)[0]), 1),
        "scores": judge(model, pairs_of(one_third(third))),
    }
    (folder / "course.json").write_text(json.dumps(course, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(course, indent=1))


def print_scores(folders: Sequence[Path]) -> None:
    """Judge one model a third, each on the clips that it was not trained on."""
    scores: dict[str, float] = {}
    for third, folder in enumerate(folders):
        scores |= judge(load_weights(folder / WEIGHTS_NAME), pairs_of(one_third(third)))
    for name, value in sorted(scores.items(), key=lambda item: item[1], reverse=True):
        print(f"{name:20}{value:8.2f} dB")
    print(f"median {statistics.median(scores.values()):.2f} dB, worst {max(scores.values()):.2f} dB")


def main() -> None:
    parser = argparse.ArgumentParser(description="NAM's own trainer on the clips of fxd")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train on two thirds of the clips, judge on the third")
    training.add_argument("third", type=int, choices=range(3))
    training.add_argument("runs", type=Path)
    training.add_argument("--minutes", type=float, default=10)
    judging = commands.add_parser("judge", help="judge three models, the first on the first third")
    judging.add_argument("folders", type=Path, nargs=3)
    arguments = parser.parse_args()
    if arguments.command == "train":
        train(arguments.third, arguments.runs, arguments.minutes)
    else:
        print_scores(arguments.folders)


if __name__ == "__main__":
    main()
