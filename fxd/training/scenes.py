"""Probe signals: short synthetic scenes that drive the saturator in ways in which few recordings do.

A network that hears only recordings learns what these excite. It is then right on sounds of their kind, and
wrong on a shaker or a sub-bass, for nothing ever told it what happens above 6 kHz or below 40 Hz at a high level.
The reference is a formula, so any signal has a true wet side. A scene is a sum of layers, and a layer a row of
events of one kind, each with a level, an attack and a decay of its own, all drawn at random:

    noise        a band, a high-passed or a tilted one          cymbals, shakers, breath, hiss
    partials     harmonic or not, standing or dying away        strings, bells, organs, chords
    thump        a sine that falls to 22 to 120 Hz              drums, sub-bass
    glide        a sweep between any two frequencies            what lies between all of these
    pulses       short bumps, regular, of either sign           clicks, crackle, what the DC blocker must swallow
    oscillator   a saw or a pulse wave, low-passed              synthesisers, brass, anything rich
    tones        one to three sines, most of them where         whistles, feedback, test tones, bells
                 dilations are blind

All arrays are float64 [frames] at the model's sample rate; a kind gives a peak of 1.
"""

from collections.abc import Callable, Mapping
from math import pi

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len

from fxd.engines.engine import Array
from fxd.engines.tcn import MODEL_SAMPLE_RATE

Wave = npt.NDArray[np.float64]
Kind = Callable[[np.random.Generator, int], Wave]

HIGHEST_HZ = 21_000
LAYERS = 4
PEAK = 1.2
"""Of the loudest scenes; the median is half of it. Wet peaks of recordings above full scale are common too."""
DULL_HZ, SHRILL_HZ = 2_000, 11_000
DULL_KEPT, SHRILL_KEPT = 1 / 4, 1 / 2
"""Of the scenes whose spectral centroid lies below and above these.

What is dull is learned soon, and what is above 11 kHz never well: a fourteenth of all scenes made half of the
error. In between are the recordings on which a network does worst: cymbals, bells, tambourines.
"""

BLIND_DILATIONS = (8, 16, 32, 64)
"""Whose blind frequencies are worth tones of their own. Those of longer ones concern fewer and fewer layers."""


class Scenes:
    """Scenes by number: the same number with the same seed is the same scene."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @property
    def kinds(self) -> Mapping[Kind, float]:
        """What layers may be, and the share of each among those that are made."""
        return KINDS

    def __call__(self, number: int, frames: int) -> Array:
        """A scene: float32 [frames]."""
        rng = np.random.default_rng([self.seed, number])
        while True:
            sound = scene(rng, frames, self.kinds)
            if rng.random() < self.kept(centroid_hz(sound)):
                return sound

    def kept(self, hz: float) -> float:
        """The share of the scenes with this centroid that are heard."""
        return DULL_KEPT if hz < DULL_HZ else SHRILL_KEPT if hz > SHRILL_HZ else 1.0


def centroid_hz(sound: Array) -> float:
    """The mean frequency of a sound [frames], weighted by energy; 0 of silence."""
    energy = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / MODEL_SAMPLE_RATE)
    return float(energy @ hz / (energy.sum() or 1.0))


def scene(rng: np.random.Generator, frames: int, kinds: Mapping[Kind, float]) -> Array:
    """A scene: float32 [frames]."""
    count = rng.integers(1, LAYERS + 1)
    layers = [decibels(-30, 0, rng) * layer(rng, frames, kinds) for _ in range(count)]
    level = PEAK * 10 ** (-rng.exponential(8) / 20)
    return (level * to_full_scale(np.sum(layers, axis=0))).astype(np.float32)


def layer(rng: np.random.Generator, frames: int, kinds: Mapping[Kind, float]) -> Wave:
    """Events of one kind, one after the other."""
    sound = np.zeros(frames)
    kind = tuple(kinds)[rng.choice(len(kinds), p=tuple(kinds.values()))]
    start = int(rng.integers(0, frames // 4))
    while start < frames:
        length = min(frames - start, seconds(0.03, 3, rng))
        sound[start : start + length] = event(kind, rng, length)
        start += length + int(rng.random() * seconds(0.01, 1, rng))
    return sound


def event(kind: Kind, rng: np.random.Generator, frames: int) -> Wave:
    sound = decibels(-30, 0, rng) * kind(rng, frames)
    if rng.random() < 0.7:
        sound *= dying(frames, between(0.01, 2, rng))
    attack = min(frames, int(between(4, 2000, rng)))
    release = min(frames, int(between(32, 2000, rng)))
    sound[:attack] *= np.linspace(0, 1, attack)
    sound[frames - release :] *= np.linspace(1, 0, release)
    return sound


def noise(rng: np.random.Generator, frames: int) -> Wave:
    length = next_fast_len(frames, real=True)
    spectrum = np.fft.rfft(rng.normal(size=length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / MODEL_SAMPLE_RATE), 10)
    shape = rng.random()
    if shape < 0.4:
        octaves = np.log2(hz / between(80, 18_000, rng))
        gain = np.exp(-((octaves / rng.uniform(0.1, 2)) ** 2))
    elif shape < 0.7:
        gain = 1 / np.sqrt(1 + (between(500, 9000, rng) / hz) ** (2 * rng.integers(1, 5)))
    else:
        gain = (hz / 1000) ** rng.uniform(-1.2, 0.3)
    return to_full_scale(np.fft.irfft(spectrum * gain, length)[:frames])


def partials(rng: np.random.Generator, frames: int) -> Wave:
    time = np.arange(frames) / MODEL_SAMPLE_RATE
    lowest, harmonic, slope = between(30, 12_000, rng), rng.random() < 0.5, rng.uniform(0, 1.5)
    sound = np.zeros(frames)
    for number in range(1, int(rng.integers(2, 12))):
        hz = lowest * (number if harmonic else np.exp(rng.uniform(-0.5, 1.5)))
        if hz < HIGHEST_HZ:
            partial = np.sin(2 * pi * (hz * time + rng.random()))
            partial *= number**-slope if harmonic else rng.exponential()
            sound += partial if rng.random() < 0.5 else partial * dying(frames, between(0.02, 2, rng))
    return to_full_scale(sound)


def thump(rng: np.random.Generator, frames: int) -> Wave:
    falling = between(20, 600, rng) * dying(frames, between(0.005, 0.15, rng))
    phase = np.cumsum(between(22, 120, rng) + falling) / MODEL_SAMPLE_RATE
    return to_full_scale(
        np.sin(2 * pi * phase + rng.choice([0, pi])) * dying(frames, between(0.05, 1.5, rng))
    )


def glide(rng: np.random.Generator, frames: int) -> Wave:
    first, last = between(20, HIGHEST_HZ, rng), between(20, HIGHEST_HZ, rng)
    hz = first * (last / first) ** np.linspace(0, 1, frames)
    return to_full_scale(np.sin(2 * pi * np.cumsum(hz) / MODEL_SAMPLE_RATE))


def pulses(rng: np.random.Generator, frames: int) -> Wave:
    places = np.arange(0, frames, MODEL_SAMPLE_RATE / between(3, 2000, rng)).astype(int)
    sound = np.zeros(frames)
    sound[places] = rng.choice([-1, 1]) if rng.random() < 0.7 else rng.choice([-1, 1], len(places))
    bump = np.hanning(int(rng.integers(3, 42)))[1:-1]
    return to_full_scale(np.convolve(sound, bump)[:frames])


def oscillator(rng: np.random.Generator, frames: int) -> Wave:
    length = next_fast_len(frames, real=True)
    phase = (between(2, 600, rng) * np.arange(length) / MODEL_SAMPLE_RATE + rng.random()) % 1
    wave = 2 * phase - 1 if rng.random() < 0.5 else np.sign(phase - rng.uniform(0.2, 0.8))
    hz = np.fft.rfftfreq(length, 1 / MODEL_SAMPLE_RATE)
    gain = 1 / np.sqrt(1 + (hz / between(500, 16_000, rng)) ** 4)
    return to_full_scale(np.fft.irfft(np.fft.rfft(wave) * gain, length)[:frames])


def tones(rng: np.random.Generator, frames: int) -> Wave:
    time = np.arange(frames) / MODEL_SAMPLE_RATE
    sound = np.zeros(frames)
    for _ in range(rng.integers(1, 4)):
        # A share of higher ones, which are harder to learn, cost all else a decibel.
        hz = between(150, 7_000, rng)
        if rng.random() < 0.7:
            # Within 4 Hz even the longest dilation, 512, hears the phase move by less than 0.3 rad a tap.
            hz = rng.normal(blind_hz(hz, int(rng.choice(BLIND_DILATIONS))), 4)
        tone = decibels(-20, 0, rng) * np.sin(2 * pi * (hz * time + rng.random()))
        sound += tone if rng.random() < 0.5 else tone * dying(frames, between(0.02, 2, rng))
    return to_full_scale(sound)


def blind_hz(hz: float, dilation: int) -> float:
    """The nearest frequency above 0 of which a layer with this dilation hears the same phase at each tap.

    The layer cannot tell such a tone from 0 Hz, and so the network takes it for what the DC blocker removes. In
    noise and music that is rare: a network that had heard no such tones for their own sake was 13 to 32 dB worse
    at 6,000 Hz, where all dilations from 8 on are blind, than a quarter of a tone above, and 4 to 9 dB at 1,500.
    """
    apart = MODEL_SAMPLE_RATE / dilation
    return max(round(hz / apart), 1) * apart


KINDS: Mapping[Kind, float] = {
    noise: 0.28,
    partials: 0.28,
    thump: 0.13,
    glide: 0.07,
    pulses: 0.05,
    oscillator: 0.11,
    tones: 0.08,
}
"""The share of each among the layers that are made."""


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """A number whose logarithm is drawn uniformly."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def decibels(low: float, high: float, rng: np.random.Generator) -> float:
    """A factor of `low` to `high` dB."""
    return float(10 ** (rng.uniform(low, high) / 20))


def seconds(low: float, high: float, rng: np.random.Generator) -> int:
    """A length in frames, 64 at least."""
    return int(between(low, high, rng) * MODEL_SAMPLE_RATE) + 64


def dying(frames: int, time_constant: float) -> Wave:
    return np.asarray(np.exp(-np.arange(frames) / (time_constant * MODEL_SAMPLE_RATE)))


def to_full_scale(sound: Wave) -> Wave:
    """With a peak of 1; silence stays silent."""
    return sound / (np.abs(sound).max() or 1.0)
