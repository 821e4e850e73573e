"""The strongest words of a profile, kept small: what reasons name and what a page shows of an item.

*Words* (n, k) uint16: columns of the vocabulary, ``NONE`` where there is none; so many of each group, the strongest
first (see ``KEPT``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indexer.knowledge.vocabulary import vocabulary

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint16]

NONE = 65_535
#: Group → words kept.
KEPT = {"moods": 6, "music": 4, "scenes": 6, "decades": 2}
#: Weaker than this, a word does not say what an item is like.
_LEAST = 0.08


def strongest_words(profiles: Floats) -> Words:
    """Words (n, k) of profiles (n, width)."""
    known = vocabulary()
    kept = []
    for group, most in KEPT.items():
        columns = known.columns[group]
        values = profiles[:, columns]
        order = np.argsort(-values, axis=1, kind="stable")[:, :most]
        said = np.take_along_axis(values, order, axis=1) > _LEAST
        kept.append(np.where(said, order + columns.start, NONE))
    return np.concatenate(kept, axis=1).astype(np.uint16)


def read_words(words: Words) -> dict[str, list[str]]:
    """Group → words of one item (k,)."""
    known, found, start = vocabulary(), {}, 0
    for group, most in KEPT.items():
        found[group] = [known.words[word] for word in words[start : start + most].tolist() if word != NONE]
        start += most
    return found
