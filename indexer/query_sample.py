"""Queries as people will ask them, made from a catalogue: what indexes are tuned and measured by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue.records import Medium, other_medium, split_cell
from indexer.space import Dials, Space

Floats = npt.NDArray[np.float32]

#: Queries of each sort: a third each fits, tunes and measures an index.
PER_SORT = 900
_MOST_INPUTS = 4


def pick_texts(movies: pd.DataFrame, seed: int) -> list[str]:
    """Short texts that a build has encoded anyway: keywords and film titles, in equal parts where there are enough."""
    random = np.random.default_rng(seed)
    titles = sorted({str(title) for title in movies["title"]})
    words = sorted({word for cell in movies["keywords"] for word in split_cell(cell)})
    picked: list[str] = []
    for texts in (words, titles):
        count = min(len(texts), PER_SORT // 2 if texts is words else PER_SORT - len(picked))
        picked += [texts[place] for place in random.choice(len(texts), count, replace=False)]
    return picked


def sample_queries(
    space: Space, vectors: Mapping[Medium, Floats], target: Medium, texts: Floats, seed: int
) -> dict[str, Floats]:
    """Sort of query → (m, dimension): items of either medium, texts (m, text), and several inputs with dials.

    ``vectors``: the items (n, dimension) of both media.
    """
    random = np.random.default_rng(seed)
    other = other_medium(target)
    asked: dict[str, Floats] = {}
    for name, medium in ((str(other), other), (str(target), target)):
        rows = random.choice(len(vectors[medium]), min(PER_SORT, len(vectors[medium])), replace=False)
        asked[name] = space.queries(vectors[medium][rows])
    if len(texts):
        asked["texts"] = np.stack([space.text_query(space.readers.text.plain(text)) for text in texts])
    singles = np.concatenate(list(asked.values()))
    combined = []
    for _ in range(PER_SORT):
        count = int(random.integers(1, _MOST_INPUTS + 1))
        rows = random.choice(len(singles), count)
        avoided = singles[random.choice(len(singles), int(random.integers(0, 2)))]
        dials = Dials(*random.uniform(-1.0, 1.0, 3).tolist())
        combined.append(space.combine(singles[rows], avoided, dials))
    asked["combined"] = np.stack(combined)
    return asked
