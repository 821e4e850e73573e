"""What a build is told: a frozen set of values in which an unknown or senseless one is an error."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from indexer.errors import ConfigError

#: The published encoder that the indexer's requirements carry.
DEFAULT_ENCODER = "all-MiniLM-L6-v2"

#: Picture models' weights by their name in Keras; anything else names a file.
IMAGENET = "imagenet"

#: Recall@10 against the exact answer that an approximate index is tuned to.
TARGET_RECALL = 0.99

#: Settings that name a source file: what each is for is said by ``python -m indexer build --help``.
SOURCES = (
    "movies",
    "tracks",
    "soundtracks",
    "song_emotions",
    "emotion_words",
    "movie_tags",
    "song_positivity",
    "clip_features",
    "soundtrack_features",
    "ratings",
    "word_vectors",
    "posters",
    "covers",
    "lyrics",
    "film_texts",
    "audio_clips",
    "mel_model",
)

#: Values of ``ray`` that are no address: a cluster of the build's own, and the one that this machine belongs to.
RAY_WORDS = ("local", "auto")
RAY_ADDRESS = re.compile(r"(?:ray://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>\d{1,5})")

#: Settings of the media's models that methods are given as well, as ``Material.options``.
OPTIONS = ("poster_model", "poster_tflite", "poster_size_px", "cover_model", "lyrics_model")


@dataclass(frozen=True)
class BuildConfig:
    """Settings of one build; weights are those of the space's blocks, seed fixes every random choice.

    ``movie_columns``, ``track_columns``: field → column of files that name their columns otherwise than the layouts.
    """

    movies: Path
    tracks: Path
    soundtracks: Path | None = None
    movie_columns: Mapping[str, str] = field(default_factory=dict)
    track_columns: Mapping[str, str] = field(default_factory=dict)
    song_emotions: Path | None = None
    emotion_words: Path | None = None
    movie_tags: Path | None = None
    song_positivity: Path | None = None
    clip_features: Path | None = None
    soundtrack_features: Path | None = None
    ratings: Path | None = None
    word_vectors: Path | None = None
    posters: Path | None = None
    covers: Path | None = None
    lyrics: Path | None = None
    film_texts: Path | None = None
    audio_clips: Path | None = None
    mel_model: Path | None = None
    poster_model: str = IMAGENET
    poster_tflite: Path | None = None
    poster_size_px: int = 224
    cover_model: str = IMAGENET
    lyrics_model: str | None = None
    methods: tuple[str, ...] = ()
    indexes: Path = Path("indexes")
    preset: str = "default"
    encoder: str = DEFAULT_ENCODER
    index_kind: str = "auto"
    target_recall: float = TARGET_RECALL
    index_memory_mib: int | None = None
    ray: str | None = None
    moods_weight: float = 0.35
    music_weight: float = 0.3
    scenes_weight: float = 0.3
    era_weight: float = 0.2
    feeling_weight: float = 0.1
    meaning_weight: float = 0.3
    learned_weight: float = 2.5
    hub_weight: float = 0.45
    seed: int = 0
    publish: bool = True
    force: bool = False
    report: Path | None = None

    def __post_init__(self) -> None:
        """Refuse weights that cannot weigh, and half of the emotion labels."""
        for name in (setting.name for setting in fields(self) if setting.name.endswith("_weight")):
            weight = getattr(self, name)
            if not math.isfinite(weight) or weight < 0:
                raise ConfigError(f"{name} must be a number of at least 0, not {weight}")
        if not 0 < self.target_recall <= 1:
            raise ConfigError(f"target_recall must be above 0 and at most 1, not {self.target_recall}")
        if self.index_memory_mib is not None and self.index_memory_mib < 1:
            raise ConfigError(f"index_memory_mib must be at least 1, not {self.index_memory_mib}")
        if not 32 <= self.poster_size_px <= 1024:
            raise ConfigError(f"poster_size_px must be 32 to 1024, not {self.poster_size_px}")
        if self.ray is not None and self.ray not in RAY_WORDS and not RAY_ADDRESS.fullmatch(self.ray):
            raise ConfigError(f"ray takes local, auto, HOST:PORT or ray://HOST:PORT, not {self.ray!r}")
        if not any(getattr(self, setting.name) for setting in fields(self) if _compares(setting.name)):
            raise ConfigError("all weights of blocks are 0, so nothing could be compared")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BuildConfig:
        """Make a config from plain values; raises ``ConfigError`` on a name it does not know."""
        known = {setting.name for setting in fields(cls)}
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
        # Names of models, or of files that hold them.
        plain |= {name: Path(plain[name]).name for name in ("poster_model", "cover_model")}
        if self.ray is not None:
            plain["ray"] = self.ray if self.ray in RAY_WORDS else "address"
        return {name: _plain(value) for name, value in plain.items()}

    @property
    def index_memory_bytes(self) -> int | None:
        """Memory that each medium's index may keep, None where it is not limited."""
        return None if self.index_memory_mib is None else self.index_memory_mib * 2**20

    @property
    def files(self) -> dict[str, Path]:
        """The source files and folders that were given, by setting."""
        return {name: path for name in SOURCES if (path := getattr(self, name)) is not None}

    @property
    def options(self) -> dict[str, Any]:
        """Settings of the media's models, by name; those that are None are left out."""
        return {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}

    @property
    def cache(self) -> Path:
        """Where vectors outlive their build: beside the versions, ignored by whatever lists them."""
        return self.indexes / ".cache"


def _compares(name: str) -> bool:
    return name.endswith("_weight") and name != "hub_weight"


def _is_path(name: str) -> bool:
    return name in SOURCES or name in {"indexes", "report", "poster_tflite"}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    return list(value) if isinstance(value, tuple) else value
