"""An Ogg file whose comment is as large as one likes: what takes a decoder's memory, as it keeps all of it."""

import struct
from collections.abc import Iterator

from fxd.containers import ogg_checksum

MOST_SEGMENTS = 255
"""A page has so many, of up to 255 bytes; a packet ends with one that is shorter."""
BEGINS, CONTINUED = 2, 1
"""Flags of a page."""


def with_comment(ogg: bytes, size: int) -> bytes:
    """A whole Ogg Vorbis file as `ogg`, with one comment of `size` bytes."""
    serial = ogg[14:18]
    (identification, _, setup), rest = headers_of(ogg)
    text = b"COVER=".ljust(size, b"x")
    comment = b"\x03vorbis" + struct.pack("<3I", 0, 1, len(text)) + text + b"\x01"
    out = [page(identification, [len(identification)], serial, 0, BEGINS)]
    for body, segments, flags in pages_for(comment, setup):
        out.append(page(body, segments, serial, len(out), flags))
    for number, (_, old) in enumerate(pages_of(rest), start=len(out)):
        out.append(sealed(old[:18] + struct.pack("<I", number) + old[22:]))
    return b"".join(out)


def pages_of(ogg: bytes) -> Iterator[tuple[list[int], bytes]]:
    """The pages of a file, each with the lengths of its segments."""
    at = 0
    while at < len(ogg):
        segments = list(ogg[at + 27 : at + 27 + ogg[at + 26]])
        end = at + 27 + len(segments) + sum(segments)
        yield segments, ogg[at:end]
        at = end


def headers_of(ogg: bytes) -> tuple[list[bytes], bytes]:
    """The three packets that come before the sound, and the pages of the sound."""
    packets, behind = [b""], 0
    for segments, whole in pages_of(ogg):
        behind += len(whole)
        at = 27 + len(segments)
        for length in segments:
            packets[-1] += whole[at : at + length]
            at += length
            if length < 255:
                packets.append(b"")
        if len(packets) > 3:
            break
    return packets[:3], ogg[behind:]


def pages_for(*packets: bytes) -> Iterator[tuple[bytes, list[int], int]]:
    """What pages hold these packets, one after the other: content, lengths of segments, flags."""
    segments = [length for one in packets for length in (*[255] * (len(one) // 255), len(one) % 255)]
    body, at = b"".join(packets), 0
    for first in range(0, len(segments), MOST_SEGMENTS):
        own = segments[first : first + MOST_SEGMENTS]
        is_continued = first > 0 and segments[first - 1] == 255
        yield body[at : at + sum(own)], own, CONTINUED if is_continued else 0
        at += sum(own)


def page(body: bytes, segments: list[int], serial: bytes, number: int, flags: int) -> bytes:
    position = -1 if all(length == 255 for length in segments) else 0  # -1: no packet ends here
    head = b"OggS\0" + struct.pack("<Bq4sII", flags, position, serial, number, 0)
    return sealed(head + bytes([len(segments), *segments]) + body)


def sealed(page: bytes) -> bytes:
    """The page with its checksum."""
    blank = page[:22] + bytes(4) + page[26:]
    return blank[:22] + struct.pack("<I", ogg_checksum(blank)) + blank[26:]
