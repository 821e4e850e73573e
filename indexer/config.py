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


@dataclass(frozen=True)
class BuildConfig:
    """Settings of one build; weights are those of the space's blocks, seed fixes every random choice."""

    movies: Path
    tracks: Path
    soundtracks: Path | None = None
    indexes: Path = Path("indexes")
    preset: str = "default"
    encoder: str = DEFAULT_ENCODER
    index_kind: str = "auto"
    text_weight: float = 1.0
    mood_weight: float = 0.3
    seed: int = 0
    publish: bool = True
    report: Path | None = None

    def __post_init__(self) -> None:
        """Refuse weights that cannot weigh: a space needs at least one positive weight."""
        for name in ("text_weight", "mood_weight"):
            weight = getattr(self, name)
            if not math.isfinite(weight) or weight < 0:
                raise ConfigError(f"{name} must be a number of at least 0, not {weight}")
        if self.text_weight + self.mood_weight == 0:
            raise ConfigError("text_weight and mood_weight are both 0, so nothing could be compared")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BuildConfig:
        """Make a config from plain values; raises ``ConfigError`` on a name it does not know."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        paths = {name: Path(values[name]) for name in values if _is_path(name) and values[name] is not None}
        try:
            return cls(**{**values, **paths})
        except TypeError as error:
            raise ConfigError(f"settings are missing: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the manifest: file names instead of paths, which differ between machines."""
        plain = asdict(self)
        return {name: value.name if isinstance(value, Path) else value for name, value in plain.items()}


def _is_path(name: str) -> bool:
    return name in {"movies", "tracks", "soundtracks", "indexes", "report"}
