"""What a sound file's own structure says about where its sound ends: the evidence that a file was cut off.

libsndfile silently shortens its frame count to what is there, so the count alone is no evidence:

    WAV, RF64, W64, AIFF, CAF   chunks; the one with the sound says its size
    AU                          the header says the size
    FLAC                        the header counts the frames, and libsndfile repeats that count
    Ogg                         pages with checksums; a last page that runs past the end of the file was cut
    MP3                         a Xing or Info frame counts the frames; without one libsndfile guesses

Other formats (VOC, PAF, NIST, ...) are judged by libsndfile's count.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

from fxd.guarded_file import GuardedFile

UNKNOWN_FRAMES = 2**63 - 1
"""What libsndfile counts where the header says no length."""
MAX_CHUNKS = 10_000
RF64_DATA_SIZE_AT = 28
SLACK_FRAMES = 2 * 1152
"""Some MP3 encoders count the Xing frame itself, some decoders drop the first; a lost Ogg page is far more."""
OGG_PAGE = b"OggS\0"
"""Every page begins with this."""
OGG_MAX_PAGE = 27 + 255 + 255 * 255
BITS_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
MP3_SLACK_BYTES = 8192
"""The last frames of an MP3 may hold nothing but padding, which libsndfile leaves unread."""


@dataclass(frozen=True)
class Fault:
    """Why a file that was read to its end is not whole, for people."""

    text: str
    cut_off: bool
    """The end is missing, as it would be while somebody is still writing."""


def end_fault(file: GuardedFile, kind: str, declared: int, read: int, sample_rate: int) -> Fault | None:
    """What is wrong with the end of a file of which libsndfile gave `read` frames and not one more; or None.

    `kind` is libsndfile's name of the container, `declared` its count of frames. Raises OSError.
    """

    def span(frames: int) -> str:
        return f"{frames} frames ({frames / sample_rate:.3f} s)"

    def cut(reason: str) -> Fault:
        return Fault(f"it is cut off: {reason}; copy or export it again", cut_off=True)

    def partly_read(reason: str) -> Fault:
        text = f"only its first {span(read)} can be read, as {reason}; convert it to FLAC or WAV"
        return Fault(text, cut_off=False)

    promised = read
    if kind == "OGG":
        state = ogg_state(file)
        if state == "cut":
            return cut(f"it ends in the middle of a page after {span(read)}")
        if state == "chained":
            return partly_read("it is a chain of several streams")
        if state == "damaged" or declared - read > SLACK_FRAMES:
            text = f"it is damaged: only {span(read)} can be decoded; copy or export it again"
            return Fault(text, cut_off=False)
    elif kind == "MP3":
        if mp3_goes_on(file, file.tell()):
            return partly_read("its header does not say its true length")
        if declared - read > SLACK_FRAMES and mp3_counts_frames(file):
            promised = declared
    else:
        promised = max(sound_frames(file, read), 0 if declared == UNKNOWN_FRAMES else declared)
    if promised > read:
        return cut(f"its header promises {span(promised)}, but {span(read)} are there")
    return None


def is_cut(file: GuardedFile) -> bool:
    """Whether the structure alone shows that the end of a file is missing. Raises OSError."""
    extent = sound_extent(file)
    return (extent is not None and extent.is_cut) or ogg_state(file) == "cut"


@dataclass(frozen=True)
class Extent:
    """Bytes of sound, as the header declares them and as the file holds them."""

    declared: int
    held: int

    @property
    def is_cut(self) -> bool:
        return self.held < self.declared


def sound_frames(file: GuardedFile, read: int) -> int:
    """The frames that the declared size is worth, where `read` frames came out of what is there."""
    extent = sound_extent(file)
    if extent is None or not extent.is_cut:
        return read
    if extent.held == 0 or read == 0:
        return read + 1
    frame_bytes = extent.held // read
    if read * frame_bytes <= extent.held < (read + 1) * frame_bytes:
        return extent.declared // frame_bytes
    # A codec that packs frames into blocks (ADPCM, ALAC) loses a block with one byte: by proportion.
    return max(read + 1, read * extent.declared // extent.held)


@dataclass(frozen=True)
class ChunkLayout:
    """How a container strings its chunks together."""

    first: int
    """Where the first chunk begins."""
    header: str
    """`struct` format of a chunk's id and size."""
    sound: bytes
    """First four bytes of the id of the chunk with the sound."""
    preamble: int = 0
    """Bytes in front of the sound that the chunk's size counts."""
    size_counts_header: bool = False
    alignment: int = 2


CHUNK_LAYOUTS = {
    b"RIFF": ChunkLayout(12, "<4sI", b"data"),
    b"RIFX": ChunkLayout(12, ">4sI", b"data"),
    b"RF64": ChunkLayout(12, "<4sI", b"data"),
    b"riff": ChunkLayout(40, "<16sQ", b"data", size_counts_header=True, alignment=8),
    b"FORM": ChunkLayout(12, ">4sI", b"SSND", preamble=8),
    b"caff": ChunkLayout(8, ">4sQ", b"data", preamble=4, alignment=1),
}


def sound_extent(file: GuardedFile) -> Extent | None:
    """The bytes of sound of a WAV, RF64, W64, AIFF, CAF or AU file; None for others, or if no size is said.

    A program that writes into a pipe does not know the size; `is_open_ended` tells what it writes instead.
    """
    magic = file.read_at(0, 4)
    if magic in CHUNK_LAYOUTS:
        found = find_sound_chunk(file, CHUNK_LAYOUTS[magic])
    elif magic in (b".snd", b"dns."):
        found = struct.unpack(">II" if magic == b".snd" else "<II", file.read_at(4, 8).ljust(8, b"\0"))
    else:
        return None
    if found is None:
        return None
    start, size = found
    if magic == b"RF64" and size == 0xFFFFFFFF:
        (size,) = struct.unpack("<Q", file.read_at(RF64_DATA_SIZE_AT, 8).ljust(8, b"\0"))
    if is_open_ended(size):
        return None
    return Extent(declared=size, held=max(0, min(size, file.size - start)))


def find_sound_chunk(file: GuardedFile, layout: ChunkLayout) -> tuple[int, int] | None:
    """Where the sound begins and how many bytes of it are declared; None where no such chunk is found."""
    at, header_size = layout.first, struct.calcsize(layout.header)
    for _ in range(MAX_CHUNKS):
        header = file.read_at(at, header_size)
        if len(header) < header_size:
            return None
        name, size = struct.unpack(layout.header, header)
        if layout.size_counts_header:
            size -= header_size
        if name[:4] == layout.sound:
            return at + header_size + layout.preamble, size - layout.preamble
        at += header_size + max(size, 0)
        at += -at % layout.alignment
    return None


def is_open_ended(size: int) -> bool:
    """Whether a declared size means "until the end": 0 or less, or near the top of its 31, 32 or 63 bits.

    FFmpeg writes 0xFFFFFFFF into a pipe, SoX 0x7FFFF000 or 0x7F000000, arecord 0x80000000, all rounded down
    to whole frames; recorders that were never closed leave 0.
    """
    near_31_bits = 0x7F000000 - 4096 <= size <= 0x80000000
    return size <= 0 or near_31_bits or 0xFF000000 <= size < 1 << 32 or size >= 1 << 62


OggState = Literal["whole", "cut", "damaged", "chained"]


def ogg_state(file: GuardedFile) -> OggState:
    """What the pages of an Ogg file tell about it.

    `cut`: it ends in the middle of a page. `damaged`: a page fails its checksum; decoders skip it in silence.
    `chained`: a second stream begins after the first; libsndfile reads one. A file cut exactly between two
    pages counts as whole: many a recorded stream lacks the end mark.
    """
    at, began = 0, False
    while (header := file.read_at(at, 27 + 255)).startswith(OGG_PAGE):
        begins = len(header) > 5 and bool(header[5] & 2)
        if begins and began:
            return "chained"
        # Streams that run side by side (sound and a cover, say) all begin before any of them goes on.
        began = began or not begins
        segments = header[26] if len(header) > 26 else 0
        length = 27 + segments + sum(header[27 : 27 + segments])
        page = file.read_at(at, length)
        if len(page) < length:
            return "cut"
        if ogg_checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            return "damaged"
        at += length
    # A tag may follow the last page, but no further page.
    return "damaged" if OGG_PAGE in file.read_at(at, 2 * OGG_MAX_PAGE) else "whole"


def ogg_checksum(page: bytes) -> int:
    """CRC-32 of a page whose checksum field is zero: zlib's polynomial, read from the other end of every byte.

    Source: RFC 3533, section 6 (no inversion before or after, so zlib's two are undone).
    """
    crc = zlib.crc32(page.translate(BITS_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def mp3_start(file: GuardedFile) -> int:
    """Where the first MPEG frame begins: at the first 0xFF behind an ID3v2 tag."""
    tag = file.read_at(0, 10).ljust(10, b"\0")
    start = 0
    if tag.startswith(b"ID3"):
        size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
        start = 10 + size + (10 if tag[5] & 0x10 else 0)
    return start + max(file.read_at(start, 4096).find(b"\xff"), 0)


def mp3_counts_frames(file: GuardedFile) -> bool:
    """Whether the first MPEG frame is a Xing or Info frame that says how many follow."""
    frame = file.read_at(mp3_start(file), 64).ljust(64, b"\0")
    # The mark stands behind the frame's header and its side information: 4 + 9, 17 or 32 bytes.
    return any(frame[at : at + 4] in (b"Xing", b"Info") and frame[at + 7] & 1 for at in (13, 21, 36))


def mp3_goes_on(file: GuardedFile, position: int) -> bool:
    """Whether more MPEG frames of the same kind follow at `position`, where libsndfile saw the end.

    It believes the Xing frame, or where there is none a guess from the bit rate of the first frame, which is
    far too short for many a file of variable bit rate.
    """
    first, following = file.read_at(mp3_start(file), 3), file.read_at(position, 3)
    # Sync word, version and layer, sample rate.
    same_kind = [
        a & mask == b & mask for a, b, mask in zip(first, following, (0xFF, 0xFE, 0x0C), strict=False)
    ]
    return file.size - position > MP3_SLACK_BYTES and len(same_kind) == 3 and all(same_kind)
