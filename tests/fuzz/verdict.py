"""What must hold of the end of an attempt, whatever was in the file.

Either it is done, and then its outputs are whole; or it is the file's fault, and the reason is a sentence that
says what is wrong and what to do. A worker that had to die is a finding, though its daemon survives it, and so is
trouble that is told of the machine, since a daemon pauses for that.
"""

import re
from pathlib import Path

import numpy as np
import soundfile

from fxd.pipeline.job import Death, Done, Ending, Fault, Job, Outcome, Trouble

LONGEST_REASON = 300
FROM_INSIDE = re.compile(
    r"Traceback|[A-Za-z]Error\b|Exception|0x[0-9a-f]{4}|\bNone\b|<.*>|\\x|File \"|\berrno\b|nternal error"
)
"""What only a programmer understands."""
REMEDY = re.compile(r"\b(export|copy|convert|resample|split|lower|change|use)\b")


def fault_of(ending: Ending, job: Job) -> str:
    """What is wrong with how this attempt ended; "" where nothing is."""
    match ending:
        case Done(outcome):
            return fault_of_outputs(outcome, job.attempt)
        case Fault(reason):
            return fault_of_reason(reason)
        case Trouble(reason):
            return f"the machine was blamed: {reason}"
        case Death(reason):
            return f"the worker died: {reason}"


def fault_of_reason(reason: str) -> str:
    if not reason.isprintable() or len(reason) > LONGEST_REASON:
        return f"a reason that is no line of text: {reason!r}"
    if found := FROM_INSIDE.search(reason):
        return f"a reason for programmers ({found[0]}): {reason}"
    if not REMEDY.search(reason):
        return f"a reason without a remedy: {reason}"
    return ""


def fault_of_outputs(outcome: Outcome, attempt: Path) -> str:
    """Every output as long as the outcome says, and without a nan; and nothing else beside them."""
    wanted = {"dsp.wav", "tcn.wav", "dry" + outcome.dry_suffix}
    if (found := {path.name for path in attempt.iterdir()}) != wanted:
        return f"in the attempt's folder lie {sorted(found)}"
    for name in sorted(wanted):
        with soundfile.SoundFile(attempt / name) as sound:
            shape = (sound.samplerate, sound.channels, sound.frames)
            if shape != (outcome.sample_rate, outcome.channels, outcome.frames):
                return f"{name} is {shape}"
            if not all(np.isfinite(block).all() for block in sound.blocks(65_536)):
                return f"{name} holds nan or inf"
    return fault_of_figures(outcome)


def fault_of_figures(outcome: Outcome) -> str:
    """What is recorded has to be numbers; of silence some are infinite or none, but no peak is."""
    for result in outcome.results:
        for name in ("engine_seconds", "cpu_seconds"):
            if not np.isfinite(getattr(result, name)):
                return f"{result.engine}: {name} is {getattr(result, name)}"
        if result.peak_dbfs != result.peak_dbfs or result.peak_dbfs == np.inf:
            return f"{result.engine}: peak_dbfs is {result.peak_dbfs}"
    return ""
