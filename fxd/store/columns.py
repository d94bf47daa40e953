"""Column types that mean the same on both databases: UTC times, nan, whole numbers, text, documents."""

# ruff: noqa: ARG002  # SQLAlchemy hands every column type the dialect

import json
import math
import operator
import re
from datetime import UTC, datetime
from typing import Any, SupportsFloat, SupportsIndex

from sqlalchemy import BigInteger, DateTime, Dialect, Double, Text
from sqlalchemy.types import TypeDecorator

UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC: SQLite forgets the offset, PostgreSQL answers in the session's own."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} is a time without a time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Measure(TypeDecorator[float]):
    """A float in which nan stands for "no such number": NULL, as SQLite keeps it and as means ignore it."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: SupportsFloat | None, dialect: Dialect) -> float | None:
        # float() also takes NumPy's scalars, which the drivers refuse or keep as bytes.
        return None if value is None or math.isnan(number := float(value)) else number

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else value


class Count(TypeDecorator[int]):
    """A whole number of 64 bits; NumPy's integers too, which sqlite3 would keep as bytes."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: SupportsIndex | None, dialect: Dialect) -> int | None:
        return None if value is None else operator.index(value)


class AnyText(TypeDecorator[str]):
    r"""Text; what the databases refuse (NUL, halves of surrogate pairs) becomes \x00, \xff, \ud800.

    A file name that is no UTF-8 arrives from Python with surrogates for its bytes; it must not stop a run
    from being recorded, and must be found again by the same name.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else UNSTORABLE.sub(escape, value)


def escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    is_byte = code == 0 or 0xDC80 <= code <= 0xDCFF
    return f"\\x{code & 0xFF:02x}" if is_byte else f"\\u{code:04x}"


class Document(TypeDecorator[dict[str, Any]]):
    """A dict of what JSON knows, kept as text.

    Not the databases' own JSON types: PostgreSQL's refuses nan, and a score may be nan.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else json.loads(value)
