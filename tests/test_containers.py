"""Files that were cut off, and files that only look like it."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from fxd.audio import AudioError, open_reader

Array = npt.NDArray[np.float32]

FORMATS = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "MS_ADPCM"),
    ("WAVEX", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("MP3", "MPEG_LAYER_III"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("AIFF", "PCM_16"),
    ("AIFF", "FLOAT"),
    ("CAF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("W64", "PCM_16"),
    ("RF64", "PCM_16"),
    ("AU", "PCM_16"),
]
UNKNOWN_32 = b"\xff\xff\xff\xff"


@pytest.fixture(scope="session")
def drums() -> Array:
    """One and a half seconds of a stereo recording, [2, 66150]."""
    clip = Path(__file__).parent / "audio" / "loop_breakbeat.flac"
    sound, _ = soundfile.read(clip, 66_150, dtype="float32")
    return np.ascontiguousarray(sound.T)


def encode(path: Path, sound: Array, container: str, subtype: str, **options: object) -> bytes:
    rate = 48_000 if subtype == "OPUS" else 44_100
    with soundfile.SoundFile(path, "w", rate, sound.shape[0], subtype, format=container, **options) as file:
        for at in range(0, sound.shape[1], 4096):
            file.write(sound[:, at : at + 4096].T)
    return path.read_bytes()


def frames_of(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    with open_reader(path) as reader:
        return sum(block.shape[1] for block in reader.blocks(10_000))


def fault_of(path: Path, data: bytes) -> AudioError:
    with pytest.raises(AudioError) as caught:
        frames_of(path, data)
    return caught.value


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_half_a_file_is_cut_off(tmp_path: Path, drums: Array, container: str, subtype: str) -> None:
    path = tmp_path / "clip"
    data = encode(path, drums, container, subtype)
    error = fault_of(path, data[: len(data) // 2])
    assert error.cut_off
    assert "cut off" in str(error)
    assert "copy or export it again" in str(error)


@pytest.mark.parametrize(("container", "subtype"), [kind for kind in FORMATS if kind[0] != "MP3"])
@pytest.mark.parametrize("missing", [1, 9])
def test_one_missing_frame_is_noticed(
    tmp_path: Path, drums: Array, container: str, subtype: str, missing: int
) -> None:
    path = tmp_path / "clip"
    data = encode(path, drums, container, subtype)
    assert fault_of(path, data[:-missing]).cut_off


def test_the_reason_tells_what_was_promised_and_what_is_there(tmp_path: Path, drums: Array) -> None:
    data = encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16")
    assert str(fault_of(tmp_path / "clip.wav", data[: 44 + 4 * 22_050])) == (
        "it is cut off: its header promises 66150 frames (1.500 s), but 22050 frames (0.500 s) are there; "
        "copy or export it again"
    )


def test_a_file_that_ends_with_its_header_is_cut_off(tmp_path: Path, drums: Array) -> None:
    data = encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16")
    assert fault_of(tmp_path / "clip.wav", data[:44]).cut_off


# What FFmpeg, SoX and arecord write into a pipe, where the length is not known beforehand.
@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7F000000, 0x80000000, 0x7FFFFFFC])
def test_a_wav_from_a_pipe_is_whole(tmp_path: Path, drums: Array, size: int) -> None:
    data = bytearray(encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16"))
    data[4:8] = data[40:44] = struct.pack("<I", size)
    assert frames_of(tmp_path / "clip.wav", bytes(data)) == drums.shape[1]


def test_other_streams_of_unknown_length_are_whole(tmp_path: Path, drums: Array) -> None:
    path = tmp_path / "clip"
    au = encode(path, drums, "AU", "PCM_16")
    assert frames_of(path, au[:8] + UNKNOWN_32 + au[12:]) == drums.shape[1]
    aiff = encode(path, drums, "AIFF", "PCM_16")
    at = aiff.index(b"SSND") + 4
    assert frames_of(path, aiff[:at] + b"\0\0\0\0" + aiff[at + 4 :]) == drums.shape[1]
    w64 = encode(path, drums, "W64", "PCM_16")
    at = w64.index(b"data") + 16
    assert frames_of(path, w64[:at] + b"\xff" * 8 + w64[at + 8 :]) == drums.shape[1]


@pytest.mark.parametrize("size", [0, 4, 1000, 0xFFFFFFFF])
def test_a_wrong_riff_size_alone_is_no_cut(tmp_path: Path, drums: Array, size: int) -> None:
    data = bytearray(encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16"))
    data[4:8] = struct.pack("<I", size)
    assert frames_of(tmp_path / "clip.wav", bytes(data)) == drums.shape[1]


def test_a_size_that_counts_padding_is_no_cut(tmp_path: Path, drums: Array) -> None:
    data = bytearray(encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16"))
    data[40:44] = struct.pack("<I", drums.shape[1] * 4 + 2)
    assert frames_of(tmp_path / "clip.wav", bytes(data)) == drums.shape[1]


def test_a_recorder_that_was_never_closed_leaves_a_header_of_zero_frames(
    tmp_path: Path, drums: Array
) -> None:
    data = bytearray(encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16"))
    data[40:44] = bytes(4)
    assert "its header says 0 frames" in str(fault_of(tmp_path / "clip.wav", bytes(data)))


def test_chunks_in_front_of_the_sound_do_not_hide_the_cut(tmp_path: Path, drums: Array) -> None:
    data = encode(tmp_path / "clip.wav", drums, "WAV", "PCM_16")
    # Odd sizes are padded; 60 chunks overflow libsndfile's log, which would tell the cut too.
    notes = b"".join(b"note" + struct.pack("<I", 7) + b"padded!\0" for _ in range(60))
    data = data[:36] + notes + data[36:]
    assert frames_of(tmp_path / "clip.wav", data) == drums.shape[1]
    assert fault_of(tmp_path / "clip.wav", data[:-4]).cut_off


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
def test_damage_in_the_middle_is_noticed(tmp_path: Path, drums: Array, container: str, subtype: str) -> None:
    path = tmp_path / "clip"
    data = bytearray(encode(path, drums, container, subtype))
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    assert "copy or export it again" in str(fault_of(path, bytes(data)))


def test_a_chain_of_ogg_streams_is_not_read_in_part(tmp_path: Path, drums: Array) -> None:
    one = encode(tmp_path / "one.ogg", drums, "OGG", "VORBIS")
    two = encode(tmp_path / "two.ogg", drums[:, ::-1], "OGG", "VORBIS")
    error = fault_of(tmp_path / "chain.ogg", one + two)
    assert "only its first 66150 frames" in str(error)
    assert not error.cut_off


def test_an_mp3_of_unknown_length_is_not_read_in_part(tmp_path: Path, drums: Array) -> None:
    # Loud first: from the high bit rate of the first frame libsndfile guesses a length that is too short.
    path = tmp_path / "clip.mp3"
    sound = np.concatenate([drums, np.tile(drums * np.float32(0.001), (1, 4))], axis=1)
    options = {"bitrate_mode": "VARIABLE", "compression_level": 0.2}
    data = encode(path, sound, "MP3", "MPEG_LAYER_III", **options)
    assert frames_of(path, data) == sound.shape[1]
    without_xing = data[data.index(data[:2], 4) :]
    assert "header does not say its true length; convert it" in str(fault_of(path, without_xing))
    # The same where two files were joined: the Xing frame counts only the first.
    assert "header does not say its true length; convert it" in str(fault_of(path, data + data))
