"""Every error this project raises on purpose.

OrthogenError
├── Refused            the input must not be processed; permanent, nothing was changed
├── PipelineBroken     a pipeline folder cannot be used: missing, changed, malformed
├── ConfigurationError a setting is wrong; names the key
├── PassingTrouble     something outside is down or busy; the same call may work later
└── JobInterrupted     the job was cancelled, or another worker owns it now

The text of an error never holds patient data: technical values and job ids only.
"""


class OrthogenError(Exception):
    """What is wrong (the value and the rule it broke), and what to do about it."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(f"{what}; {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


class Refused(OrthogenError):
    """The input is outside what may be processed. `reason` is a stable, machine-readable slug."""

    def __init__(self, reason: str, what: str, *, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.reason = reason


class PipelineBroken(OrthogenError):
    """A pipeline folder cannot be used."""


class ConfigurationError(OrthogenError):
    """A setting is wrong."""


class PassingTrouble(OrthogenError):
    """Something outside is down or busy; a later attempt may succeed."""


class JobInterrupted(OrthogenError):
    """The job was cancelled or taken over; stop writing at once."""
