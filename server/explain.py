"""Says why a hit is one: the terms of its raw score, in a person's words. Nothing is added or left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.features.blocks import WORD_BLOCKS
from indexer.features.words import KEPT, NONE, strongest_words
from indexer.index_version import IndexVersion
from indexer.knowledge.vocabulary import vocabulary
from indexer.ranking import Asked, Inputs

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

#: The term of all blocks of words together: what a person reads first.
PROFILE = "profile"
#: Words worth naming as shared of each group; a longer list is no longer a reason.
_MOST_SHARED = {"moods": 3, "music": 2, "scenes": 3, "decades": 1}

#: What the other terms say: for a hit, and against it.
_SAID = {
    "feeling": ("as lively and as bright", "livelier or calmer, brighter or darker"),
    "meaning": ("alike in what they are about", "about different things"),
    "learned": ("as films and songs that belong together do", "unlike films and songs that belong together"),
    "dials": ("as the dials ask", "the dials ask for something else"),
    "hub": (
        "seldom fits anything else, so it counts for more",
        "fits almost anything, or is a later version, so it counts for less",
    ),
}
_NOTHING_SHARED = "alike in mood, music and scene"
_UNLIKE = "their moods, music and scenes differ"


class Reason(NamedTuple):
    """One term of the raw score: its name, what it adds, and what it says in words."""

    term: str
    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of a page: rows (n,) and their vectors (n, dimension)."""

    rows: Rows
    vectors: Floats


class Explainer:
    """Words for the terms of one version's scores; safe to use from many threads."""

    def __init__(self, version: IndexVersion) -> None:
        self._version = version
        self._terms: list[tuple[str, slice]] = []
        blocks = [block for block in version.space.blocks if block.start < block.stop]
        words = [block for block in blocks if block.name in WORD_BLOCKS]
        if words:
            self._terms.append((PROFILE, slice(words[0].start, words[-1].stop)))
        self._terms += [(b.name, slice(b.start, b.stop)) for b in blocks if b.name not in WORD_BLOCKS]

    def explain(self, asked: Asked, wanted: Inputs, target: Medium, page: Page) -> list[tuple[Reason, ...]]:
        """Reasons of each hit, those that name something first, then the largest; they add up to its raw score."""
        products = page.vectors.astype(np.float64) * asked.vector.astype(np.float64)
        values = {name: products[:, columns].sum(axis=1).tolist() for name, columns in self._terms}
        own = self._wanted_words(wanted)
        explained = []
        for place, row in enumerate(page.rows.tolist()):
            shared = name_shared(own, self._version.words[target][row])
            reasons = []
            for name, _ in self._terms:
                value = values[name][place]
                # A term of exactly nothing (a medium without data, a dial left alone) is no reason.
                if value == 0:
                    continue
                if name == PROFILE:
                    text = (f"both: {shared}" if shared else _NOTHING_SHARED) if value > 0 else _UNLIKE
                else:
                    text = _SAID[name][value < 0]
                reasons.append(Reason(name, value, text))
            reasons.sort(key=lambda reason: (reason.term != PROFILE or reason.value <= 0, -reason.value))
            explained.append(tuple(reasons))
        return explained

    def _wanted_words(self, wanted: Inputs) -> set[int]:
        """The strongest words of what is wanted: of any of several inputs."""
        own: set[int] = set()
        for medium, rows in wanted.rows.items():
            for row in rows:
                own.update(self._version.words[medium][row].tolist())
        profiles = [placed.profile for placed in wanted.placed] + [text.profile for text in wanted.texts]
        if profiles:
            own.update(strongest_words(np.stack(profiles)).ravel().tolist())
        own.discard(NONE)
        return own


def name_shared(own: set[int], words: npt.NDArray[np.uint16]) -> str:
    """What a hit's strongest words share with ``own``, as in "nocturnal, lonely, synthwave · 1980s"."""
    known, start = vocabulary(), 0
    named: dict[str, list[str]] = {}
    for group, kept in KEPT.items():
        shared = [known.words[word] for word in words[start : start + kept].tolist() if word in own]
        named[group] = shared[: _MOST_SHARED[group]]
        start += kept
    found = [*named["moods"], *named["music"], *named["scenes"]]
    if not found:
        return ""
    decades = "".join(f" · {decade}" for decade in named["decades"])
    return ", ".join(found) + decades
