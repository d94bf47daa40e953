"""An attempt that came to a good end, on its way out, and what may still be wrong with it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from fxd.pipeline.claim import Claim
from fxd.pipeline.job import Outcome
from fxd.pipeline.names import Names
from fxd.store.records import Example, Run

NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""What a file system says of a path that is too long, and of characters that it does not have."""


@dataclass
class Finished:
    """An attempt that came to a good end, on its way out; it remembers how far it came."""

    claim: Claim
    attempt: Path
    outcome: Outcome
    names: Names = field(default_factory=dict)
    """Once they are chosen and written down."""
    example: Example | None = None
    """Once its dry sound is kept."""
    run: Run | None = None
    """Once it is recorded."""


class Unfinished(OSError):
    """An output is not what the worker made: the disk did not keep it. The attempt is repeated."""

    def __init__(self, finished: Finished, text: str) -> None:
        super().__init__(text)
        self.finished = finished


class Unplaceable(Exception):
    """The outbox takes no file of such a name, and never will; the text is a reason to give people."""

    def __init__(self, finished: Finished, trouble: OSError) -> None:
        super().__init__(
            f"the outbox cannot take results of that name ({trouble.strerror}); shorten the names of its "
            "folders, or give it a plainer one, and drop it again"
        )
        self.finished = finished


class NameTaken(Exception):
    """Somebody else's file got the name in the moment between choosing and giving it."""

    def __init__(self, finished: Finished) -> None:
        super().__init__()
        self.finished = finished


@contextmanager
def placeable(finished: Finished) -> Iterator[None]:
    """Raises Unplaceable where the file system refuses the name that is given in the block."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SUCH_NAME or is_about_the_name(error):
            raise Unplaceable(finished, error) from error
        raise


def is_about_the_name(error: OSError) -> bool:
    """Whether nothing is missing that is said to be: so exFAT, mounted by FUSE, refuses a colon in a name."""
    if not isinstance(error, FileNotFoundError) or error.filename is None:
        return False
    source, final = (error.filename, error.filename2) if error.filename2 else (None, error.filename)
    return (source is None or os.path.lexists(source)) and Path(final).parent.is_dir()


def check_outputs(finished: Finished) -> None:
    """Reopen every output and compare its length: a full disk can pass without an error.

    Raises Unfinished where one is not whole.
    """
    wanted = finished.outcome.frames
    for result in finished.outcome.results:
        path = finished.attempt / result.output
        try:
            frames = soundfile.info(os.fsencode(path)).frames  # a home may be called anything
        except soundfile.LibsndfileError as error:
            raise Unfinished(finished, f"{path} cannot be read back ({error}); is the disk full?") from error
        if frames != wanted:
            raise Unfinished(finished, f"{path} holds {frames} of {wanted} frames; is the disk full?")
