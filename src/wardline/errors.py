"""The errors wardline raises, in one tree.

    WardlineError
    ├── DeclarationError      a gate, guard or contract was declared wrongly: seen when the module is imported
    ├── OpeningError          a declaration does not fit what it found when the gate opened
    │   ├── BundleError   the reference bundle is missing, tampered with, or of another model
    │   └── ModelError        the model file is missing, changed, or does not fit the features
    │       └── UnreachableError  the server that has the model does not answer: it may later
    ├── PayloadError          the body could not be read as a row at all (the caller's fault)
    │   └── TooLargeError     the body, or its number of rows, is over the limit
    ├── PredictorError        a rung did not answer
    │   ├── DeadlineError     a rung ran out of time
    │   └── UnavailableError  a rung cannot answer now, whichever rows it is asked about
    │       └── OverloadedError   it has more to do than it can, and refused to queue more
    ├── GuardError            a guard answered something that is no finding
    │   └── GuardTimeoutError it hung and was interrupted
    ├── LogError              the log could not take or give a record
    │   └── DamagedError      a file of the log is not as it was written
    └── NotReadyError         the gate is not open

Each sentence says what happened and what to do next. None of them knows about HTTP.
"""

from __future__ import annotations


class WardlineError(Exception):
    """Anything wardline raises on purpose."""


class DeclarationError(WardlineError):
    """A gate, guard, contract or feature function was declared wrongly."""


class OpeningError(WardlineError):
    """A declaration does not fit what the gate found when it opened."""


class BundleError(OpeningError):
    """The reference bundle is missing, tampered with, or belongs to something else."""


class ModelError(OpeningError):
    """The model file is missing, changed under its hash, or does not fit the features."""


class UnreachableError(ModelError):
    """The server that has the model does not answer. It may later: opening is worth another try."""


class PayloadError(WardlineError):
    """The body could not be read as rows at all: not JSON, nested too deeply, empty."""


class TooLargeError(PayloadError):
    """The body or its number of rows is over the declared limit."""


class PredictorError(WardlineError):
    """A rung of the chain did not answer. `reason` is what its finding says."""

    reason = "chain.error"


class DeadlineError(PredictorError):
    """A rung of the chain ran out of its time."""

    reason = "chain.deadline"


class UnavailableError(PredictorError):
    """A rung cannot answer now: its server is down, or lies. Asking row by row would not help."""


class OverloadedError(UnavailableError):
    """A rung has more to do than it can and refused more: no fault, so its breaker does not count it."""

    reason = "chain.overloaded"


class GuardError(WardlineError):
    """A guard answered something that is no finding."""


class GuardTimeoutError(GuardError):
    """A guard did not come back and was interrupted."""


class LogError(WardlineError):
    """The log could not take or give a record."""


class DamagedError(LogError):
    """A file of the log is not as it was written."""


class NotReadyError(WardlineError):
    """The gate is not open, or may not answer yet."""
