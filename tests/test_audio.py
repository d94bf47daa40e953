"""Reading and writing sound files, on real encodes of a real recording."""

import errno
import hashlib
import io
import math
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fxd.audio import AudioError, Reader, open_reader
from fxd.audio_writer import Writer, dry_format, open_writer
from fxd.guarded_file import GuardedFile
from fxd.hashes import HASH_STEP_BYTES, ContentHash, FileHash

Array = npt.NDArray[np.float32]

# Container, sample format, least signal-to-noise ratio in dB of what is read back.
FORMATS = [
    ("WAV", "PCM_U8", 30),
    ("WAV", "PCM_16", 70),
    ("WAV", "PCM_24", 120),
    ("WAV", "PCM_32", 130),
    ("WAV", "FLOAT", math.inf),
    ("WAV", "DOUBLE", math.inf),
    ("WAV", "ULAW", 25),
    ("WAV", "ALAW", 25),
    ("WAV", "IMA_ADPCM", 15),
    ("WAV", "MS_ADPCM", 15),
    ("WAVEX", "PCM_24", 120),
    ("FLAC", "PCM_16", 70),
    ("FLAC", "PCM_24", 120),
    ("MP3", "MPEG_LAYER_III", 10),
    ("OGG", "VORBIS", 10),
    ("OGG", "OPUS", 10),
    ("AIFF", "PCM_16", 70),
    ("AIFF", "FLOAT", math.inf),
    ("CAF", "PCM_24", 120),
    ("CAF", "ALAC_16", 70),
    ("W64", "PCM_24", 120),
    ("RF64", "FLOAT", math.inf),
    ("AU", "PCM_16", 70),
]
RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 37_800, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000]


@pytest.fixture(scope="session")
def guitar() -> Array:
    """Half a second of a stereo recording, [2, 22050]; nowhere silent."""
    clip = Path(__file__).parent / "audio" / "guit_e_fifths.flac"
    sound, _ = soundfile.read(clip, 22_050, start=4_410, dtype="float32")
    return np.ascontiguousarray(sound.T)


def encode(path: Path, sound: Array, sample_rate: int, container: str, subtype: str) -> Path:
    # In blocks: libsndfile crashes where a long Vorbis file is written in one call.
    with soundfile.SoundFile(path, "w", sample_rate, sound.shape[0], subtype, format=container) as file:
        for at in range(0, sound.shape[1], 4096):
            file.write(sound[:, at : at + 4096].T)
    return path


def read_all(path: Path, frames: int = 4096) -> Array:
    with open_reader(path) as reader:
        return np.concatenate(list(reader.blocks(frames)), axis=1)


def content_hash(path: Path, frames: int = 4096) -> str:
    with open_reader(path) as reader:
        content = ContentHash(reader.sample_rate, reader.channels)
        for block in reader.blocks(frames):
            content.update(block)
    return content.hexdigest()


def write_all(writer: Writer, sound: Array, frames: int = 4096) -> Writer:
    with writer:
        for at in range(0, sound.shape[1], frames):
            writer.write(sound[:, at : at + frames])
    return writer


@pytest.mark.parametrize(("container", "subtype", "least_snr_db"), FORMATS)
def test_every_format_comes_back_as_it_went_in(
    tmp_path: Path, guitar: Array, container: str, subtype: str, least_snr_db: float
) -> None:
    sample_rate = 48_000 if subtype == "OPUS" else 44_100
    path = encode(tmp_path / "clip", guitar, sample_rate, container, subtype)
    with open_reader(path) as reader:
        assert (reader.sample_rate, reader.channels) == (sample_rate, 2)
        assert (reader.format, reader.subtype) == (container, subtype)
        blocks = list(reader.blocks(1000))
    assert all(block.dtype == np.float32 and block.flags.c_contiguous for block in blocks)
    assert {block.shape for block in blocks[:-1]} == {(2, 1000)}
    sound = np.concatenate(blocks, axis=1)
    # ADPCM fills its last block.
    assert guitar.shape[1] <= sound.shape[1] <= guitar.shape[1] + (2041 if "ADPCM" in subtype else 0)
    noise = float(np.square(sound[:, : guitar.shape[1]] - guitar, dtype=np.float64).sum())
    signal = float(np.square(guitar, dtype=np.float64).sum())
    assert noise <= signal / 10 ** (least_snr_db / 10)
    np.testing.assert_array_equal(sound, soundfile.read(path, dtype="float32")[0].T)


@pytest.mark.parametrize(("container", "subtype", "_snr"), FORMATS)
def test_the_dry_sound_is_kept_without_loss(
    tmp_path: Path, guitar: Array, container: str, subtype: str, _snr: float
) -> None:
    path = encode(tmp_path / "clip", guitar, 48_000, container, subtype)
    with open_reader(path) as reader:
        kind, kept_subtype, suffix = dry_format(reader)
        shape = (reader.sample_rate, reader.channels)
        dry = open_writer(tmp_path / f"dry{suffix}", *shape, kept_subtype, reader.declared_frames, kind)
        write_all(dry, np.concatenate(list(reader.blocks()), axis=1))
    assert content_hash(dry.path) == content_hash(path)
    lossy_or_wide = subtype in ("FLOAT", "DOUBLE", "PCM_32", "MPEG_LAYER_III", "VORBIS", "OPUS")
    assert suffix == (".wav" if lossy_or_wide else ".flac")


@pytest.mark.parametrize("sample_rate", [*RATES, 65_535, 65_537, 100_000, 191_999])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_the_dry_sound_is_kept_at_every_rate(
    tmp_path: Path, guitar: Array, sample_rate: int, channels: int
) -> None:
    sound = np.tile(guitar[:1, :3000], (channels, 1)) / np.arange(1, channels + 1, dtype=np.float32)[:, None]
    path = encode(tmp_path / "clip.wav", sound, sample_rate, "WAV", "PCM_24")
    with open_reader(path) as reader:
        kind, subtype, suffix = dry_format(reader)
    dry = open_writer(tmp_path / f"dry{suffix}", sample_rate, channels, subtype, 3000, kind)
    write_all(dry, read_all(path))
    assert content_hash(dry.path) == content_hash(path)
    assert (kind == "WAV") == (sample_rate in (65_537, 191_999))


@pytest.mark.parametrize(
    "name",
    [b"two words.wav", "Gitarre für Zoë 🎸.wav".encode(), b"caf\xe9 \xff.wav", b"new\nline.wav", b"n" * 250],
)
def test_any_name_is_read_and_written(tmp_path: Path, guitar: Array, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    write_all(open_writer(path, 44_100, 2), guitar)
    np.testing.assert_array_equal(read_all(path), guitar)


def test_a_macos_side_file_does_not_hide_an_mp3(tmp_path: Path, guitar: Array) -> None:
    path = encode(tmp_path / "clip.mp3", guitar, 44_100, "MP3", "MPEG_LAYER_III")
    (tmp_path / "._clip.mp3").write_bytes(b"")
    assert read_all(path).shape == guitar.shape


def test_reading_goes_strictly_in_order(tmp_path: Path, guitar: Array) -> None:
    class Watched(io.FileIO):
        sought = 0

        def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
            self.sought += 1
            return super().seek(offset, whence)

    path = encode(tmp_path / "clip.ogg", guitar, 44_100, "OGG", "VORBIS")
    watched = Watched(path)
    with Reader(GuardedFile(watched)) as reader:
        blocks = reader.blocks(1000)
        next(blocks)
        before = watched.sought
        for _ in range(guitar.shape[1] // 1000 - 1):
            next(blocks)
        assert watched.sought == before
        blocks.close()


@pytest.mark.parametrize(("container", "subtype"), [(name, kind) for name, kind, _ in FORMATS])
def test_what_comes_after_a_skip_is_what_stands_there(
    tmp_path: Path, guitar: Array, container: str, subtype: str
) -> None:
    path = encode(tmp_path / "clip", guitar, 48_000, container, subtype)
    whole = read_all(path)
    for frames in (0, 1, 4097, whole.shape[1] - 10):
        with open_reader(path) as reader:
            reader.skip(frames)
            np.testing.assert_array_equal(
                np.concatenate(list(reader.blocks(1000)), axis=1), whole[:, frames:]
            )


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_24"), ("WAV", "FLOAT")])
def test_a_skip_in_a_kept_sound_reads_next_to_nothing(
    tmp_path: Path, guitar: Array, container: str, subtype: str
) -> None:
    class Counted(io.FileIO):
        got = 0

        def readinto(self, buffer: object) -> int:
            count = super().readinto(buffer)  # type: ignore[arg-type]
            self.got += count
            return count

    path = encode(tmp_path / "clip", np.tile(guitar, 20), 44_100, container, subtype)
    counted = Counted(path)
    with Reader(GuardedFile(counted)) as reader:
        reader.skip(15 * guitar.shape[1])
        next(blocks := reader.blocks(1000))
        assert counted.got < path.stat().st_size / 5
        blocks.close()


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "PCM_16")])
def test_a_skip_beyond_the_end_of_a_cut_file_is_an_error(
    tmp_path: Path, guitar: Array, container: str, subtype: str
) -> None:
    path = encode(tmp_path / "clip", guitar, 44_100, container, subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="cut off"), open_reader(path) as reader:
        reader.skip(guitar.shape[1] * 3 // 4)
        list(reader.blocks())


def test_a_failing_disk_is_not_the_fault_of_the_file(tmp_path: Path, guitar: Array) -> None:
    class Failing(io.FileIO):
        left = 20_000

        def readinto(self, buffer: object) -> int:
            if self.left < 0:
                raise OSError(errno.EIO, "the share is gone")
            count = super().readinto(buffer)  # type: ignore[arg-type]
            self.left -= count
            return count

    path = encode(tmp_path / "clip.wav", guitar, 44_100, "WAV", "PCM_16")
    with Reader(GuardedFile(Failing(path))) as reader, pytest.raises(OSError, match="the share is gone"):
        list(reader.blocks(1000))


def faults(tmp_path: Path, guitar: Array) -> Iterator[tuple[Path, str]]:
    text = tmp_path / "text.wav"
    text.write_text("this is no sound\n" * 100)
    yield text, "not audio"
    empty = tmp_path / "empty.wav"
    empty.touch()
    yield empty, "empty"
    yield encode(tmp_path / "none.wav", guitar[:, :0], 44_100, "WAV", "PCM_16"), "0 frames"
    yield encode(tmp_path / "none.aiff", guitar[:, :0], 44_100, "AIFF", "PCM_16"), "0 frames"
    yield encode(tmp_path / "slow.wav", guitar, 7_999, "WAV", "PCM_16"), "7999 Hz .* resample it"
    yield encode(tmp_path / "fast.wav", guitar, 192_001, "WAV", "PCM_16"), "192001 Hz .* resample it"
    many = np.zeros((9, 10), np.float32)
    yield encode(tmp_path / "many.wav", many, 44_100, "WAV", "PCM_16"), "9 channels"
    header = tmp_path / "header.wav"
    header.write_bytes(b"RIFF\x00\x01\x00\x00WAVEfmt \x10\x00")
    yield header, "damaged"
    yield tmp_path, "no regular file"
    fifo = tmp_path / "fifo.wav"
    os.mkfifo(fifo)
    yield fifo, "no regular file"
    yield Path("/dev/zero"), "no regular file"


def test_a_bad_file_is_refused_with_the_reason_and_without_its_name(tmp_path: Path, guitar: Array) -> None:
    for path, reason in faults(tmp_path, guitar):
        with pytest.raises(AudioError, match=reason) as caught:
            read_all(path)
        assert str(path) not in str(caught.value), path
        assert not caught.value.cut_off, path


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -3e38, 1.1e12])
def test_nan_inf_and_absurd_values_are_refused(tmp_path: Path, guitar: Array, value: float) -> None:
    sound = guitar.copy()
    sound[1, 5123] = value
    sound[0, 6000] = math.nan
    path = encode(tmp_path / "clip.wav", sound, 44_100, "WAV", "FLOAT")
    with pytest.raises(AudioError) as caught:
        read_all(path, 1000)
    assert str(caught.value) == (
        f"sample 5123 (at 0.116 s) of channel 2 is {np.float32(value)}; export the file again without it"
    )


def set_flac_length(path: Path, frames: int) -> None:
    """STREAMINFO keeps the number of frames in 36 bits from the middle of byte 21 on."""
    data = bytearray(path.read_bytes())
    data[21] = data[21] & 0xF0 | frames >> 32
    data[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(data)


def test_a_flac_file_that_does_not_say_its_length_is_read_whole(tmp_path: Path, guitar: Array) -> None:
    path = encode(tmp_path / "clip.flac", guitar, 44_100, "FLAC", "PCM_16")
    expected = content_hash(path)
    set_flac_length(path, 0)
    assert content_hash(path) == expected


def test_a_declared_length_is_never_allocated(tmp_path: Path, guitar: Array) -> None:
    path = encode(tmp_path / "clip.flac", guitar, 44_100, "FLAC", "PCM_16")
    set_flac_length(path, 2**36 - 1)
    tracemalloc.start()
    try:
        with pytest.raises(AudioError):
            read_all(path)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_a_tag_behind_the_sound_is_no_damage(tmp_path: Path, guitar: Array) -> None:
    for container, subtype in [
        ("FLAC", "PCM_16"),
        ("MP3", "MPEG_LAYER_III"),
        ("OGG", "VORBIS"),
        ("WAV", "PCM_16"),
    ]:
        path = encode(tmp_path / container, guitar, 44_100, container, subtype)
        with path.open("ab") as file:
            file.write(b"TAG" + b"\0" * 125)
        assert read_all(path).shape == guitar.shape, container


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=6))
def test_the_size_of_the_blocks_does_not_change_the_content_hash(guitar: Array, sizes: list[int]) -> None:
    whole, pieces = ContentHash(44_100, 2), ContentHash(44_100, 2)
    whole.update(guitar)
    at = 0
    while at < guitar.shape[1]:
        size = sizes[at % len(sizes)]
        pieces.update(guitar[:, at : at + size])
        at += size
    assert pieces.hexdigest() == whole.hexdigest()


def test_the_same_sound_has_the_same_hash_in_every_lossless_container(tmp_path: Path, guitar: Array) -> None:
    kinds = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16"), ("CAF", "ALAC_16"), ("W64", "PCM_16")]
    hashes = {content_hash(encode(tmp_path / kind, guitar, 44_100, kind, subtype)) for kind, subtype in kinds}
    assert len(hashes) == 1


def test_another_rate_channel_count_or_sample_is_another_content(guitar: Array) -> None:
    changed = guitar.copy()
    changed[0, 100] += 1e-6
    sounds = [
        (44_100, guitar),
        (48_000, guitar),
        (44_100, guitar[:1]),
        (44_100, changed),
        (44_100, guitar[:, 1:]),
    ]
    hashes = set()
    for sample_rate, sound in sounds:
        content = ContentHash(sample_rate, sound.shape[0])
        content.update(sound)
        hashes.add(content.hexdigest())
    assert len(hashes) == len(sounds)


@pytest.mark.parametrize("steps", [0, 1, 3, 9])
def test_the_hash_of_a_file_is_that_of_its_bytes_however_it_is_read(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "file"
    for size in (0, 1, 300_000, 2 * HASH_STEP_BYTES + 1):
        path.write_bytes(os.urandom(size))
        with closing(FileHash(path)) as taken:
            for _ in range(steps):
                taken.step()
            assert taken.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "PCM_16", "PCM_24", "PCM_32"])
def test_integers_clip_what_floats_keep(tmp_path: Path, guitar: Array, subtype: str) -> None:
    loud = guitar * (2 / np.abs(guitar).max())
    writer = write_all(open_writer(tmp_path / "loud.wav", 44_100, 2, subtype, loud.shape[1]), loud)
    back = read_all(writer.path)
    assert writer.frames == loud.shape[1]
    assert writer.peak_dbfs == pytest.approx(20 * math.log10(2), abs=1e-4)
    if subtype in ("FLOAT", "DOUBLE"):
        np.testing.assert_array_equal(back, loud)
        assert writer.clipped_frames == 0
    else:
        # Wrapped samples would be far from their place and of the other sign.
        np.testing.assert_allclose(back, np.clip(loud, -1, 1), atol=2**-14)
        assert writer.clipped_frames == int((((loud >= 1) | (loud < -1)).any(axis=0)).sum()) > 0


def test_exactly_minus_one_is_not_clipped_and_exactly_one_is(tmp_path: Path) -> None:
    block = np.array([[-1.0, 1.0, 0.5, -1.0], [0.0, 1.0, 0.5, -1.5]], np.float32)
    assert write_all(open_writer(tmp_path / "edge.wav", 44_100, 2, "PCM_16"), block).clipped_frames == 2


def test_silence_and_nothing_have_no_peak(tmp_path: Path) -> None:
    for frames in (0, 1, 1000):
        writer = write_all(
            open_writer(tmp_path / "silence.wav", 48_000, 1), np.zeros((1, frames), np.float32)
        )
        assert writer.peak_dbfs == -math.inf
        assert soundfile.info(writer.path).frames == frames


@pytest.mark.parametrize(("frames", "magic"), [(10, b"RIFF"), (4e9 // 8 - 600, b"RIFF"), (4e9 // 8, b"RF64")])
def test_a_file_that_would_pass_four_gigabytes_is_rf64(
    tmp_path: Path, guitar: Array, frames: float, magic: bytes
) -> None:
    writer = write_all(open_writer(tmp_path / "long.wav", 44_100, 2, "FLOAT", int(frames)), guitar)
    assert writer.path.read_bytes()[:4] == magic
    np.testing.assert_array_equal(read_all(writer.path), guitar)


def test_a_wav_that_outgrows_its_header_is_an_error_not_a_broken_file(tmp_path: Path, guitar: Array) -> None:
    with open_writer(tmp_path / "long.wav", 44_100, 2) as writer:
        writer.write(guitar)
        writer.frames += 2**29
        with pytest.raises(OSError, match="more than 4 GB"):
            writer.write(guitar)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(("container", "subtype"), [("WAV", "FLOAT"), ("FLAC", "PCM_24")])
@pytest.mark.parametrize("frames", [10, 22_050])
def test_a_full_disk_is_reported(guitar: Array, container: str, subtype: str, frames: int) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write_all(open_writer(Path("/dev/full"), 44_100, 2, subtype, 0, container), guitar[:, :frames])
    assert caught.value.errno == errno.ENOSPC


def test_what_libsndfile_has_no_words_for_is_told_in_ours(guitar: Array, tmp_path: Path) -> None:
    data = encode(tmp_path / "clip.aiff", guitar, 44_100, "AIFF", "PCM_16").read_bytes()
    # Without its sound libsndfile speaks of an "unspecified internal error".
    (tmp_path / "clip.aiff").write_bytes(data[: data.index(b"SSND")])
    with pytest.raises(AudioError, match=r"^it is damaged or of an unknown kind; export it again$"):
        read_all(tmp_path / "clip.aiff")
