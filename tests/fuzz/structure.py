"""Where a sound file says something about itself, so that the fuzzer can make it lie.

A *part* is a stretch of the file with a meaning of its own (a chunk, a metadata block, a page, an MPEG frame); a
*field* is a number in a header. Both are found by looking at the bytes as they are, also where they are damaged
already; nothing here raises.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fxd.containers import CHUNK_LAYOUTS, OGG_PAGE, ogg_checksum

MOST_PARTS = 400
HEADER_BYTES = 64
"""So much of a chunk is taken for a header; the chunks that matter are shorter, and the sound is longer."""
FLAC_SYNC = (b"\xff\xf8", b"\xff\xf9")


@dataclass(frozen=True)
class Part:
    start: int
    end: int
    header: int
    """Bytes in front of its content."""


@dataclass(frozen=True)
class Field:
    at: int
    size: int
    order: Literal["little", "big"]


def parts_of(data: bytes) -> list[Part]:
    """The parts of a file in their order, as far as they can be followed; empty for a format without any."""
    magic = bytes(data[:4])
    if magic in CHUNK_LAYOUTS:
        found = chunks(data)
    elif magic == b"fLaC":
        found = flac_parts(data)
    elif magic == b"OggS":
        found = marked(data, (OGG_PAGE,), 27)
    elif magic[:3] == b"ID3" or magic[:1] == b"\xff":
        found = marked(data, mpeg_marks(data), 4)
    else:
        return []
    return [part for part, _ in zip(found, range(MOST_PARTS), strict=False)]


def chunks(data: bytes) -> Iterator[Part]:
    layout = CHUNK_LAYOUTS[bytes(data[:4])]
    at, header = layout.first, struct.calcsize(layout.header)
    while at + header <= len(data):
        _, size = struct.unpack_from(layout.header, data, at)
        size -= header if layout.size_counts_header else 0
        end = min(len(data), at + header + max(0, size))
        end = min(len(data), end + -end % layout.alignment)
        yield Part(at, end, header)
        at = end


def flac_parts(data: bytes) -> Iterator[Part]:
    at, is_last = 4, False
    while not is_last and at + 4 <= len(data):
        is_last = bool(data[at] & 0x80)
        end = min(len(data), at + 4 + int.from_bytes(data[at + 1 : at + 4], "big"))
        yield Part(at, end, 4)
        at = end
    yield from (Part(at + part.start, at + part.end, 6) for part in marked(data[at:], FLAC_SYNC, 6))


def marked(data: bytes, marks: tuple[bytes, ...], header: int) -> Iterator[Part]:
    """Parts that begin with one of the marks and reach to the next."""
    start = -1
    at = 0
    while True:
        hits = [hit for mark in marks if mark and (hit := data.find(mark, at)) >= 0]
        if not hits:
            break
        at = min(hits)
        if start >= 0:
            yield Part(start, at, header)
        start, at = at, at + 2
    if start >= 0:
        yield Part(start, len(data), header)


def mpeg_marks(data: bytes) -> tuple[bytes, ...]:
    """The first two bytes of this file's MPEG frames, which are the same in all of them."""
    size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    at = data.find(b"\xff", 10 + size if data[:3] == b"ID3" else 0)
    return (bytes(data[at : at + 2]),) if at >= 0 else ()


def fields_of(data: bytes) -> list[Field]:
    """The numbers in the headers, in words of 1, 2, 4 and 8 bytes."""
    magic = bytes(data[:4])
    order: Literal["little", "big"] = "little" if magic in (b"RIFF", b"RF64", b"riff", b"OggS") else "big"
    found = list(words(0, min(len(data), HEADER_BYTES), order))
    for part in parts_of(data):
        end = min(part.end, part.start + part.header + HEADER_BYTES)
        found += words(part.start, end, order)
    return found


def words(start: int, end: int, order: Literal["little", "big"]) -> Iterator[Field]:
    for size in (1, 2, 4, 8):
        for at in range(start, end - size + 1, size):
            yield Field(at, size, order)


def with_true_checksums(data: bytes) -> bytes:
    """The same with the checksum of every Ogg page made right: decoders skip a page whose checksum is wrong,
    and damage would never reach what is behind.
    """
    mended = bytearray(data)
    for part in parts_of(data):
        page = mended[part.start : part.end]
        if len(page) >= 27:
            length = 27 + page[26] + sum(page[27 : 27 + page[26]])
            page = page[:length]
            page[22:26] = bytes(4)
            struct.pack_into("<I", mended, part.start + 22, ogg_checksum(bytes(page)))
    return bytes(mended)
