"""From raw mood estimates to [0, 1], and from there to the words people read. Light enough for a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Percentiles of the raw values that become 0 and 1; values past them are clipped, so that one outlier does
#: not squash the rest.
SCALE_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class MoodScale:
    """The raw values that become 0 and 1 on each axis (valence, arousal); kept with the index version."""

    low: tuple[float, float]
    high: tuple[float, float]

    @classmethod
    def fit(cls, raw: npt.NDArray[np.float32]) -> MoodScale:
        """Bounds of (n, 2) raw moods: the 1st and 99th percentile of what is known.

        A constant axis gets bounds of ±1 around its value, so that it scales to the middle; an axis with
        nothing known gets the full −1…1.
        """
        bounds: list[tuple[float, float]] = []
        for axis in (0, 1):
            known = raw[:, axis][~np.isnan(raw[:, axis])].astype(np.float64)
            if known.size == 0:
                bounds.append((-1.0, 1.0))
                continue
            low, high = (float(bound) for bound in np.percentile(known, SCALE_PERCENTILES))
            bounds.append((low, high) if high > low else (low - 1.0, low + 1.0))
        return cls(low=(bounds[0][0], bounds[1][0]), high=(bounds[0][1], bounds[1][1]))

    def apply(self, raw: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Scale (n, 2) raw moods into [0, 1] float32, clipped at the bounds; NaN stays NaN."""
        low, high = np.array(self.low), np.array(self.high)
        scaled: npt.NDArray[np.float32] = np.clip((raw - low) / (high - low), 0.0, 1.0).astype(np.float32)
        return scaled

    def to_dict(self) -> dict[str, list[float]]:
        """Plain lists, for JSON."""
        return {"low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_dict(cls, bounds: Mapping[str, Sequence[float]]) -> MoodScale:
        """Back from ``to_dict``. Raises ``KeyError`` or ``ValueError`` where a bound is missing."""
        (low_valence, low_arousal), (high_valence, high_arousal) = bounds["low"], bounds["high"]
        return cls(low=(low_valence, low_arousal), high=(high_valence, high_arousal))


#: From bleak to joyful (rows), from very calm to very lively (columns), each a fifth of the scale.
MOOD_PHRASES: tuple[tuple[str, ...], ...] = (
    ("desolate and still", "sad and calm", "bleak and heavy", "dark and tense", "dark and furious"),
    (
        "hushed and melancholy",
        "calm and bittersweet",
        "bittersweet",
        "moody and tense",
        "restless and intense",
    ),
    (
        "still and contemplative",
        "calm and thoughtful",
        "even in mood",
        "driving and energetic",
        "wild and intense",
    ),
    (
        "gentle and peaceful",
        "calm and warm",
        "warm and hopeful",
        "upbeat and lively",
        "exciting and energetic",
    ),
    ("serene and tender", "calm and happy", "happy and light", "joyful and lively", "euphoric and energetic"),
)

VALENCE_WORDS = ("sad", "bittersweet", "", "warm", "happy")
AROUSAL_WORDS = ("slow and calm", "calm", "", "lively", "loud and energetic")


def describe_mood(valence: float, arousal: float) -> str:
    """Say a scaled mood (each in [0, 1]) in words for a sentence: "calm and bittersweet".

    An unknown axis (NaN) is left out; where both are, the words say so.
    """
    if np.isnan(valence) or np.isnan(arousal):
        return mood_words(valence, arousal)
    return MOOD_PHRASES[_fifth(valence)][_fifth(arousal)]


def mood_words(valence: float, arousal: float) -> str:
    """List a scaled mood (each in [0, 1]) in short words: "sad, slow and calm"; unknown axes are left out."""
    if np.isnan(valence) and np.isnan(arousal):
        return "of unknown mood"
    words = [
        "" if np.isnan(valence) else VALENCE_WORDS[_fifth(valence)],
        "" if np.isnan(arousal) else AROUSAL_WORDS[_fifth(arousal)],
    ]
    said = [word for word in words if word]
    if len(said) == 2:
        return (", " if " and " in said[1] else " and ").join(said)
    return said[0] if said else "even in mood"


def _fifth(value: float) -> int:
    return max(0, min(int(value * 5), 4))
