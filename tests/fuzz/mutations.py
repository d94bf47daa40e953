"""What can be wrong with a file: one small damage each, drawn by a seed, so that it can be made again.

Each takes the bytes and a random generator, and returns what it made of them and what it did in a few words; None
where it does not apply to this file.
"""

import random
import struct
from collections.abc import Callable, Sequence

from tests.fuzz.flac import damaged_frame
from tests.fuzz.structure import Field, fields_of, parts_of, with_true_checksums

Damaged = tuple[bytes, str]
Mutation = Callable[[bytes, random.Random], Damaged | None]

MOST_CHANGES = 4
MOST_INSERTED = 4096
BLOWN_UP = (10_000, 100_000, 1_000_000)
"""Bytes of metadata; a header with more of it than a program expects is where parsers overflow."""
MOST_BYTES = 4_000_000
"""Of a damaged file: several blow-ups in a row may not make the run slow."""
BAD_FLOATS = (float("nan"), float("inf"), -float("inf"), 3.4e38, 1e30, 1e20, -1e20, 1e-42, 1e300)


def damaged(data: bytes, others: Sequence[bytes], rng: random.Random) -> tuple[bytes, list[str]]:
    """`data` after one to four mutations, and what they were. `others` are whole files to mix with."""
    told: list[str] = []
    wanted = rng.randint(1, MOST_CHANGES)
    while len(told) < wanted:
        made = rng.choice(MUTATIONS)(data, rng) if rng.random() < 0.96 else spliced(data, others, rng)
        if made is not None and 0 < len(made[0]) <= MOST_BYTES:
            data = made[0]
            told.append(made[1])
    if data.startswith(b"OggS") and rng.random() < 0.7:
        data = with_true_checksums(data)
        told.append("checksums of the pages made right")
    return data, told


def flipped_bits(data: bytes, rng: random.Random) -> Damaged:
    """Bits turned over, half of the time near the beginning."""
    changed = bytearray(data)
    reach = min(len(data), 256) if rng.random() < 0.5 else len(data)
    places = [rng.randrange(reach) for _ in range(rng.choice((1, 1, 2, 4, 16)))]
    for at in places:
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed), f"bits flipped at {places}"


def cut(data: bytes, rng: random.Random) -> Damaged:
    """The end is missing, the beginning, or something between."""
    start = rng.randrange(len(data))
    end = len(data) if rng.random() < 0.6 else rng.randrange(start, len(data)) + 1
    if rng.random() < 0.15:
        start, end = 0, start + 1
    return data[:start] + data[end:], f"bytes {start} to {end} cut out"


def inserted(data: bytes, rng: random.Random) -> Damaged:
    at, count = rng.randrange(len(data) + 1), rng.choice((1, 2, 3, 4, 16, rng.randint(1, MOST_INSERTED)))
    return data[:at] + rng.randbytes(count) + data[at:], f"{count} random bytes inserted at {at}"


def repeated(data: bytes, rng: random.Random) -> Damaged:
    start, count = rng.randrange(len(data)), rng.randint(1, MOST_INSERTED)
    times = rng.choice((1, 1, 2, 20))
    block = data[start : start + count] * times
    return data[:start] + block + data[start:], f"{count} bytes from {start} on repeated {times} times"


def blanked(data: bytes, rng: random.Random) -> Damaged:
    """A hole in a file, as a download or a disk leaves it."""
    start, count = rng.randrange(len(data)), rng.randint(1, MOST_INSERTED)
    value = rng.choice((b"\0", b"\0", b"\xff", b"\x7f"))
    count = min(count, len(data) - start)
    return data[:start] + value * count + data[
        start + count :
    ], f"{count} bytes from {start} on set to {value!r}"


def moved(data: bytes, rng: random.Random) -> Damaged:
    """Two neighbouring stretches exchanged."""
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:], f"{a}:{b} and {b}:{c} exchanged"


def lying_field(data: bytes, rng: random.Random) -> Damaged | None:
    """A number in a header set to something extreme, or off by a little."""
    fields = fields_of(data)
    if not fields:
        return None
    return lie(data, rng.choice(fields), rng)


def extreme(data: bytes, field: Field, rng: random.Random) -> int:
    bits = 8 * field.size
    was = int.from_bytes(data[field.at : field.at + field.size], field.order)
    near = (was - 1, was + 1, was * 2, was // 2, was + len(data), -was)
    edges = (
        0,
        1,
        2,
        (1 << bits) - 1,
        1 << (bits - 1),
        (1 << (bits - 1)) - 1,
        len(data),
        0xFF000000,
        0x7FFFFFF0,
    )
    return rng.choice((*near, *edges, rng.getrandbits(bits)))


def lying_sizes(data: bytes, rng: random.Random) -> Damaged | None:
    """The size in the header of one part set to something extreme."""
    parts = [part for part in parts_of(data) if part.header >= 8]
    if not parts:
        return None
    part = rng.choice(parts)
    order = "little" if data[:4] in (b"RIFF", b"RF64", b"riff") else "big"
    size = 8 if part.header > 8 else 4
    at = part.start + part.header - size
    return lie(data, Field(at, size, order), rng)


def lie(data: bytes, field: Field, rng: random.Random) -> Damaged:
    raw = (extreme(data, field, rng) % (1 << 8 * field.size)).to_bytes(field.size, field.order)
    return data[: field.at] + raw + data[
        field.at + field.size :
    ], f"{field.size} bytes at {field.at} set to {raw.hex()}"


def exchanged_parts(data: bytes, rng: random.Random) -> Damaged | None:
    parts = parts_of(data)
    if len(parts) < 2:
        return None
    first, second = sorted(rng.sample(parts, 2), key=lambda part: part.start)
    between = data[first.end : second.start]
    mixed = data[second.start : second.end] + between + data[first.start : first.end]
    told = f"the parts at {first.start} and {second.start} exchanged"
    return data[: first.start] + mixed + data[second.end :], told


def repeated_part(data: bytes, rng: random.Random) -> Damaged | None:
    parts = parts_of(data)
    if not parts:
        return None
    part, times = rng.choice(parts), rng.choice((1, 1, 3, 200))
    block = data[part.start : part.end] * times
    return data[: part.start] + block + data[part.start :], f"the part at {part.start} repeated {times} times"


def lost_part(data: bytes, rng: random.Random) -> Damaged | None:
    parts = parts_of(data)
    if not parts:
        return None
    part = rng.choice(parts)
    return data[: part.start] + data[part.end :], f"the part at {part.start} left out"


def blown_up_metadata(data: bytes, rng: random.Random) -> Damaged | None:
    """Far more metadata than sound, or many pieces of it, where the format has a place for it."""
    count, pieces = rng.choice(BLOWN_UP), rng.choice((1, 1, 50))
    body = rng.randbytes(count // pieces // 2) + bytes(count // pieces // 2)
    parts = parts_of(data)
    if data[:4] in (b"RIFF", b"RF64"):
        name = rng.choice((b"LIST", b"id3 ", b"bext", b"JUNK", b"cue ", b"fact", b"PEAK", b"iXML", b"smpl"))
        block = name + struct.pack("<I", len(body)) + body
    elif data[:4] in (b"FORM", b"caff"):
        name = rng.choice(
            (b"NAME", b"ANNO", b"COMT", b"MARK", b"INST", b"APPL", b"info", b"strg", b"chan", b"uuid")
        )
        size = struct.pack(">Q" if data[:4] == b"caff" else ">I", len(body))
        block = name + size + body
    elif data[:4] == b"fLaC":
        block = bytes([rng.choice((1, 2, 3, 4, 5, 6, 100))]) + struct.pack(">I", len(body))[1:] + body
    elif data[:1] == b"\xff" or data[:3] == b"ID3":
        sizes = (len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
        block = (
            b"ID3"
            + bytes([rng.choice((2, 3, 4)), 0, rng.choice((0, 0x40, 0x80, 0x10))])
            + bytes(sizes)
            + body
        )
        return block * pieces + data, f"{pieces} ID3 tags of {len(body)} bytes in front"
    else:
        return None
    at = rng.choice(parts).start if parts else len(data)
    return data[:at] + block * pieces + data[at:], f"{pieces} times {len(body)} bytes of metadata at {at}"


def absurd_samples(data: bytes, rng: random.Random) -> Damaged:
    """Samples of a float file that are no numbers, or far out of scale; damage like any other elsewhere."""
    form, value = rng.choice(("<f", ">f", "<d", ">d")), rng.choice(BAD_FLOATS)
    raw = struct.pack(form, float("inf") if form[1] == "f" and value == 1e300 else value)
    at = rng.randrange(len(data) // 2, len(data)) // 8 * 8 + rng.choice((0, 0, 4))
    return data[:at] + raw * rng.choice((1, 100)) + data[at + len(raw) :], f"{form} {value} at {at}"


def deep_damage(data: bytes, rng: random.Random) -> Damaged | None:
    """What no checksum notices, where the format has checksums that can be made right."""
    return damaged_frame(data, rng) if data.startswith(b"fLaC") else None


def spliced(data: bytes, others: Sequence[bytes], rng: random.Random) -> Damaged:
    """The beginning of this file and the end of another."""
    other = rng.choice(others)
    mine, theirs = rng.randrange(len(data)), rng.randrange(len(other))
    return data[:mine] + other[theirs:], f"from {mine} on another file, from its {theirs} on"


MUTATIONS: tuple[Mutation, ...] = (
    flipped_bits,
    flipped_bits,
    cut,
    inserted,
    repeated,
    blanked,
    moved,
    lying_field,
    lying_field,
    lying_field,
    lying_field,
    lying_sizes,
    lying_sizes,
    exchanged_parts,
    repeated_part,
    lost_part,
    blown_up_metadata,
    absurd_samples,
    deep_damage,
    deep_damage,
)
"""Drawn evenly; what goes for the headers is there several times."""
