"""Small sound files of every kind that libsndfile writes here: what the fuzzer damages.

A quarter of a second of a recording each, in all containers with all of their sample formats, and some that other
programs write: with tags, a cover, cue points, several channels, odd sample rates.
"""

import struct
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

CLIP = Path(__file__).parents[1] / "audio" / "loop_breakbeat.flac"
SECONDS = 0.25
RATES = {"OPUS": 48_000, "GSM610": 8_000, "VOX_ADPCM": 8_000, "WVE": 8_000, "HTK": 16_000}
"""What a sample format or a container insists on, or usually has."""
NOT_ONE_FILE = ("RAW", "SD2")
"""RAW says nowhere what it is, so that libsndfile does not know it either; SD2 is two files."""
SHAPES = ((44_100, 1), (48_000, 2), (22_050, 1), (96_000, 2), (11_025, 1), (44_100, 2))
"""Sample rates and channels, in turn."""
WIDE = (("WAV", "PCM_24", 8), ("WAVEX", "FLOAT", 6), ("FLAC", "PCM_16", 8), ("OGG", "VORBIS", 6))
RARE_RATES = (8_000, 37_800, 44_099, 65_537, 192_000)


@dataclass(frozen=True)
class Original:
    """One whole file."""

    name: str
    """Container, sample format and what is special about it."""
    data: bytes

    @property
    def suffix(self) -> str:
        return "." + self.name.split()[0].lower()


@cache
def originals() -> tuple[Original, ...]:
    """All of them, in the same order every time."""
    found = []
    for container in sorted(soundfile.available_formats()):
        if container in NOT_ONE_FILE:
            continue
        for number, subtype in enumerate(sorted(soundfile.available_subtypes(container))):
            rate, channels = SHAPES[number % len(SHAPES)]
            rate = RATES.get(subtype, RATES.get(container, rate))
            data = encoded(container, subtype, rate, channels) or encoded(container, subtype, rate, 1)
            if data:
                found.append(Original(f"{container} {subtype}", data))
    for container, subtype, channels in WIDE:
        data = encoded(container, subtype, 44_100, channels)
        found.append(Original(f"{container} {subtype} {channels} channels", data))
    for rate in RARE_RATES:
        found.append(Original(f"WAV PCM_16 {rate} Hz", encoded("WAV", "PCM_16", rate, 1)))
    return (*found, *decorated())


def encoded(container: str, subtype: str, rate: int, channels: int) -> bytes:
    """The clip in this form; empty where libsndfile cannot write that."""
    file = BytesIO()
    try:
        with soundfile.SoundFile(file, "w", rate, channels, subtype, format=container) as sound:
            # In blocks: libsndfile crashes where a long Vorbis file is written in one call.
            for block in np.array_split(clip(rate, channels), 8):
                sound.write(block)
    except (soundfile.LibsndfileError, ValueError, TypeError):
        return b""
    return file.getvalue()


def clip(rate: int, channels: int) -> np.ndarray:
    """[frames, channels] of a recording, as float32; another moment of it in each channel."""
    frames = int(rate * SECONDS)
    sound, _ = soundfile.read(CLIP, 2 * frames + 100 * channels, dtype="float32", always_2d=True)
    return np.stack([sound[100 * channel :, 0][:frames] for channel in range(channels)], axis=1)


def decorated() -> list[Original]:
    """Files with what programs put around the sound."""
    wav = encoded("WAV", "PCM_16", 44_100, 1)
    mp3 = encoded("MP3", "MPEG_LAYER_III", 44_100, 2)
    ogg = encoded("OGG", "VORBIS", 44_100, 1)
    flac = encoded("FLAC", "PCM_16", 44_100, 1)
    comment = struct.pack("<I4sII", 4, b"fuzz", 1, 12) + b"TITLE=a riff"
    picture = (
        b"\0\0\0\3" + struct.pack(">I", 9) + b"image/png" + bytes(20) + struct.pack(">I", 500) + bytes(500)
    )
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body
        for name, body in (
            (b"LIST", b"INFOINAM\x06\0\0\0a riff"),
            (b"bext", b"a take".ljust(602, b"\0")),
            (b"cue ", struct.pack("<IIIIIII", 1, 1, 100, 0x61746164, 0, 0, 100)),
            (
                b"smpl",
                struct.pack("<9I", 0, 0, 22_675, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 10, 900, 0, 0),
            ),
            (b"inst", bytes(8)),
        )
    )
    return [
        Original("WAV PCM_16 with tags and cues", wav[:36] + chunks + wav[36:]),
        Original("WAV PCM_16 with tags behind", wav + chunks),
        Original("MP3 MPEG_LAYER_III with an ID3v2 tag", id3_tag(b"a riff") + mp3),
        Original("MP3 MPEG_LAYER_III with a cover", id3_tag(bytes(3_000)) + mp3 + b"TAG".ljust(128, b"\0")),
        Original("OGG VORBIS chained", ogg + encoded("OGG", "VORBIS", 48_000, 2)),
        Original(
            "FLAC PCM_16 with a comment and a cover", with_flac_blocks(flac, ((4, comment), (6, picture)))
        ),
        Original("FLAC PCM_16 behind an ID3v2 tag", id3_tag(b"a riff") + flac),
    ]


def id3_tag(text: bytes) -> bytes:
    frame = b"TIT2" + struct.pack(">IH", len(text) + 1, 0) + b"\0" + text
    size = len(frame)
    return b"ID3\3\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame


def with_flac_blocks(flac: bytes, blocks: tuple[tuple[int, bytes], ...]) -> bytes:
    """Metadata blocks behind STREAMINFO, which is 42 bytes into the file."""
    added = b"".join(bytes([kind]) + struct.pack(">I", len(body))[1:] + body for kind, body in blocks)
    return flac[:42] + added + flac[42:]
