"""Every error Segue raises on purpose.

    SegueError
    ├── ConfigError          a build setting is unknown or makes no sense
    ├── InputError           the source files cannot be used
    │   ├── UnreadableFile   missing, not a table, or of an unknown type
    │   ├── MissingColumn    a required column is not there
    │   ├── MissingMaterial  a method cannot be fitted without a file that was not given
    │   └── EmptyCatalogue   nothing is left after cleaning
    ├── MissingModel         model weights are not where they were looked for, or are not the expected ones
    ├── VersionError         an index version cannot be used
    │   ├── VersionNotFound  no such version, or none is published
    │   ├── VersionFormat    written in a format this program does not read
    │   ├── VersionWorse     finds known pairs clearly worse than the served one
    │   └── VersionDamaged   a file is missing, truncated or altered
    ├── PublishLocked        another build or publication holds the lock
    └── QueryError           a search that makes no sense
        ├── UnsupportedQuery a method cannot answer such a query
        ├── UnknownItem      an id that the served version does not hold
        ├── BadFilter        a filter that cannot be applied
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


class MissingModel(SegueError):
    """Model weights are not where they were looked for, or are not the expected ones."""


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


class VersionChanged(QueryError):
    """A search pinned to an index version that is no longer the one that answers."""

    def __init__(self) -> None:
        super().__init__(
            "results come from another index version now; start again from offset 0 without it",
            "index_version",
        )
