"""What a build is told: a frozen set of values in which an unknown or senseless one is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from indexer.errors import ConfigError

#: The published encoder that the indexer's requirements carry.
DEFAULT_ENCODER = "all-MiniLM-L6-v2"

#: Recall@10 against the exact answer that an approximate index is tuned to.
TARGET_RECALL = 0.99

#: Settings that name a source file: what each is for is said by ``python -m indexer build --help``.
SOURCES = (
    "movies",
    "tracks",
    "soundtracks",
    "weak_soundtracks",
    "song_emotions",
    "emotion_words",
    "movie_tags",
    "song_positivity",
    "clip_features",
    "soundtrack_features",
    "ratings",
    "word_vectors",
)


@dataclass(frozen=True)
class BuildConfig:
    """Settings of one build; weights are those of the space's blocks, seed fixes every random choice."""

    movies: Path
    tracks: Path
    soundtracks: Path | None = None
    weak_soundtracks: Path | None = None
    song_emotions: Path | None = None
    emotion_words: Path | None = None
    movie_tags: Path | None = None
    song_positivity: Path | None = None
    clip_features: Path | None = None
    soundtrack_features: Path | None = None
    ratings: Path | None = None
    word_vectors: Path | None = None
    methods: tuple[str, ...] = ()
    indexes: Path = Path("indexes")
    preset: str = "default"
    encoder: str = DEFAULT_ENCODER
    index_kind: str = "auto"
    target_recall: float = TARGET_RECALL
    index_memory_mib: int | None = None
    text_weight: float = 1.0
    themes_weight: float = 0.067
    mood_weight: float = 0.1
    emotion_weight: float = 0.1
    learned_weight: float = 1.0
    names_weight: float = 2.5
    hub_weight: float = 0.45
    seed: int = 0
    publish: bool = True
    force: bool = False
    report: Path | None = None

    def __post_init__(self) -> None:
        """Refuse weights that cannot weigh, and half of the emotion labels."""
        for name in (field.name for field in fields(self) if field.name.endswith("_weight")):
            weight = getattr(self, name)
            if not math.isfinite(weight) or weight < 0:
                raise ConfigError(f"{name} must be a number of at least 0, not {weight}")
        if not 0 < self.target_recall <= 1:
            raise ConfigError(f"target_recall must be above 0 and at most 1, not {self.target_recall}")
        if self.index_memory_mib is not None and self.index_memory_mib < 1:
            raise ConfigError(f"index_memory_mib must be at least 1, not {self.index_memory_mib}")
        if self.text_weight + self.mood_weight == 0:
            raise ConfigError("text_weight and mood_weight are both 0, so nothing could be compared")
        if (self.song_emotions is None) != (self.emotion_words is None):
            raise ConfigError("song_emotions and emotion_words are used together: give both files or neither")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BuildConfig:
        """Make a config from plain values; raises ``ConfigError`` on a name it does not know."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        paths = {name: Path(values[name]) for name in values if _is_path(name) and values[name] is not None}
        try:
            plain = {**values, **paths}
            if "methods" in plain:
                plain["methods"] = tuple(plain["methods"])
            return cls(**plain)
        except TypeError as error:
            raise ConfigError(f"settings are missing: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the manifest: file names instead of paths, which differ between machines."""
        plain = asdict(self)
        return {name: _plain(value) for name, value in plain.items()}

    @property
    def index_memory_bytes(self) -> int | None:
        """Memory that each medium's index may keep, None where it is not limited."""
        return None if self.index_memory_mib is None else self.index_memory_mib * 2**20

    @property
    def files(self) -> dict[str, Path]:
        """The source files that were given, by setting."""
        return {name: path for name in SOURCES if (path := getattr(self, name)) is not None}


def _is_path(name: str) -> bool:
    return name in SOURCES or name in {"indexes", "report"}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    return list(value) if isinstance(value, tuple) else value
