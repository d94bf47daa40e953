"""Damage inside a FLAC frame that passes its two checksums: a decoder throws away a frame that does not.

Source: RFC 9639, section 9.1 (frame header, CRC-8) and 9.3 (frame footer, CRC-16).
"""

import random
from collections.abc import Iterator

SYNC = (b"\xff\xf8", b"\xff\xf9")


def damaged_frame(data: bytes, rng: random.Random) -> tuple[bytes, str] | None:
    """Bits of one frame turned over and its checksums made right; None where there is no whole frame."""
    found = list(frames(data))
    if not found:
        return None
    start, header, end = rng.choice(found)
    frame = bytearray(data[start:end])
    # Half of the time in the first bytes: header, kinds of the subframes, orders of the predictors.
    reach = min(len(frame) - 2, 24) if rng.random() < 0.5 else len(frame) - 2
    places = [rng.randrange(2, reach) for _ in range(rng.choice((1, 1, 2, 8)))]
    for at in places:
        frame[at] ^= 1 << rng.randrange(8)
    frame[header] = remainder(frame[:header], 0x07, 8)
    frame[-2:] = remainder(frame[:-2], 0x8005, 16).to_bytes(2, "big")
    told = f"bits of the frame at {start} flipped at {places}, checksums made right"
    return data[:start] + bytes(frame) + data[end:], told


def frames(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each frame begins, how long its header is but for the checksum, and where the next one begins."""
    starts = sorted((at, length) for at in sync_marks(data) if (length := header_length(data, at)))
    ends = [at for at, _ in starts[1:]] + [len(data)]
    for (start, length), end in zip(starts, ends, strict=False):
        if end - start > length + 8:
            yield start, length, end


def sync_marks(data: bytes) -> Iterator[int]:
    for mark in SYNC:
        at = data.find(mark)
        while at >= 0:
            yield at
            at = data.find(mark, at + 1)


def header_length(data: bytes, at: int) -> int:
    """Bytes of the header at `at` in front of its checksum; 0 where the checksum says that this is none."""
    head = data[at : at + 17]
    if len(head) < 17:
        return 0
    coded = max(1, 8 - (head[4] ^ 0xFF).bit_length())
    block_size = {6: 1, 7: 2}.get(head[2] >> 4, 0)
    rate = {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    length = 4 + coded + block_size + rate
    return length if length < 17 and remainder(head[:length], 0x07, 8) == head[length] else 0


def remainder(data: bytes | bytearray, polynomial: int, bits: int) -> int:
    """Cyclic redundancy check, highest bit first, from zero."""
    top, mask, crc = 1 << (bits - 1), (1 << bits) - 1, 0
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ polynomial if crc & top else crc << 1) & mask
    return crc
