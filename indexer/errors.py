"""Every error Segue raises on purpose.

    SegueError
    ├── ConfigError          a build setting is unknown or makes no sense
    ├── InputError           the source files cannot be used
    │   ├── UnreadableFile   missing, not a table, or of an unknown type
    │   ├── MissingColumn    a required column is not there
    │   ├── MissingMaterial  a method cannot be fitted without a file that was not given
    │   └── EmptyCatalogue   nothing is left after cleaning
    ├── FetchFailed          something could not be fetched from the net
    ├── SoundRefused         a sound file cannot be listened to
    │   ├── NotSound         it is no sound file
    │   └── SoundTooLarge    it has more bytes than are read
    ├── SoundUnavailable     no sound file can be listened to here, now
    ├── FeedbackUnavailable  feedback cannot be stored or read now
    ├── FeedbackOff          feedback is switched off
    ├── FeedbackTooOften     one client gives more feedback than it may
    ├── MissingLibrary       an optional library is not installed
    ├── EncodingFailed       texts could not be encoded on Ray
    ├── MissingModel         model weights are not where they were looked for, or are not the expected ones
    ├── VersionError         an index version cannot be used
    │   ├── VersionNotFound  no such version, or none is published
    │   ├── VersionFormat    written in a format this program does not read
    │   ├── VersionWorse     finds known pairs clearly worse than the served one
    │   └── VersionDamaged   a file is missing, truncated or altered
    ├── PublishLocked        another build or publication holds the lock
    ├── EngineError          the engine that searches vectors cannot be used
    │   ├── EngineUnavailable  out of reach, too slow, overloaded or full: asking again may help
    │   ├── EngineRefused    it does not let us in: credentials, rights or certificates
    │   └── EngineMismatch   what it holds does not fit what was asked
    │       └── EngineMissing  a collection, alias or database is not there
    └── QueryError           a search that makes no sense
        ├── UnsupportedQuery a method cannot answer such a query
        ├── UnknownItem      an id that the served version does not hold
        ├── BadFilter        a filter that cannot be applied
        ├── BadPlaylist      a playlist that cannot be read
        └── VersionChanged   a search pinned to an index version that is no longer the one that answers

Messages are for people: one line that says what is wrong and, where possible, what to do.
"""


class SegueError(Exception):
    """Base of every error raised on purpose; its text is one clear line."""


class ConfigError(SegueError):
    """A build setting is unknown or makes no sense."""


class InputError(SegueError):
    """The source files cannot be used."""


class UnreadableFile(InputError):
    """A source file is missing, is not a table, or is of an unknown type."""


class MissingColumn(InputError):
    """A required column is not in the file; the message names both."""


class MissingMaterial(InputError):
    """A method cannot be fitted without a file that was not given; the message names its setting."""


class EmptyCatalogue(InputError):
    """Nothing is left after cleaning."""


class FetchFailed(SegueError):
    """Something could not be fetched: ``kind`` is a short word for why, ``is_final`` whether asking again is no use.

    ``wait_s``: how long the host asked to wait, None where it did not say; ``attempts``: how often it was tried.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        is_final: bool = False,
        wait_s: float | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.is_final = is_final
        self.wait_s = wait_s
        self.attempts = attempts


class SoundRefused(SegueError):
    """A sound file that cannot be listened to: damaged, too long, silent, or beyond what decoding may cost."""


class NotSound(SoundRefused):
    """A file that is no mp3, ogg, wav or flac."""


class SoundTooLarge(SoundRefused):
    """A sound file with more bytes than are read."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"the file is too large: at most {most_bytes} bytes are read")


class SoundUnavailable(SegueError):
    """No file can be listened to here and now, whatever is in it; ``retry_after_s`` is when to try again."""

    def __init__(self, message: str, retry_after_s: int = 30) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class FeedbackUnavailable(SegueError):
    """Feedback cannot be stored or read now; ``retry_after_s`` is when to try again."""

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class FeedbackOff(SegueError):
    """Feedback is switched off."""

    def __init__(self) -> None:
        super().__init__("feedback is switched off on this server (SEGUE_FEEDBACK_URL=off)")


class FeedbackTooOften(SegueError):
    """One client gives more feedback than it may; ``retry_after_s`` is when it may again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("too much feedback at once; try again later")
        self.retry_after_s = retry_after_s


class MissingLibrary(SegueError):
    """An optional library is not installed; the message says what to install."""


class MissingModel(SegueError):
    """Model weights are not where they were looked for, or are not the expected ones."""


class EncodingFailed(SegueError):
    """Texts could not be encoded on Ray: the cluster is out of reach, or gave up; the message says which."""


class VersionError(SegueError):
    """An index version cannot be used."""


class VersionNotFound(VersionError):
    """No such version, or none is published."""


class VersionFormat(VersionError):
    """The version is written in a format this program does not read."""


class VersionDamaged(VersionError):
    """A file of the version is missing, truncated or altered; the message names it."""


class VersionWorse(VersionError):
    """The version finds known pairs clearly worse than the served one; publishing it takes ``--force``."""


class PublishLocked(SegueError):
    """Another build or publication holds the lock."""


class EngineError(SegueError):
    """The engine that searches vectors cannot be used; ``retry_after_s`` is when to try again."""

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineUnavailable(EngineError):
    """The engine is out of reach, too slow, overloaded or full: asking again may help."""


class EngineRefused(EngineError):
    """The engine does not let us in: credentials, rights or certificates."""


class EngineMismatch(EngineError):
    """What the engine holds does not fit what was asked: a dimension, a field, a wrong request."""


class EngineMissing(EngineMismatch):
    """A collection, alias or database is not on the engine."""


class QueryError(SegueError):
    """A search that makes no sense; ``field`` names the part of the query at fault."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class UnsupportedQuery(QueryError):
    """A method that cannot answer such a query: a direction, a text or an input it does not have."""


class UnknownItem(QueryError):
    """An id that the served version does not hold."""


class BadFilter(QueryError):
    """A filter that cannot be applied: unknown name, wrong medium, or empty range."""


class BadPlaylist(QueryError):
    """A playlist that cannot be read: too long, no text, or nothing in it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "playlist")


class VersionChanged(QueryError):
    """A search pinned to an index version that is no longer the one that answers."""

    def __init__(self) -> None:
        super().__init__(
            "results come from another index version now; start again from offset 0 without it",
            "index_version",
        )
