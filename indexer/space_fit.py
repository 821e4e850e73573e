"""Fits the shared space to a catalogue: alignment, hub bias, score curves, and the relevance card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer import relevance
from indexer.alignment import DIMENSION, Alignment, Pairs, Whitened
from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import SEPARATOR, Medium
from indexer.catalogue.soundtracks import read_soundtracks
from indexer.config import BuildConfig
from indexer.features.names import NameWeights, weigh_names
from indexer.item_features import ItemFeatures
from indexer.item_readers import ItemReaders, Projection
from indexer.normalisation import unit
from indexer.space import MEDIA, MOOD_BINS, Space
from indexer.sparse_index import SparseIndex
from indexer.title_lookup import make_key

Floats = npt.NDArray[np.float32]

#: Pairs matched by title alone, about half of them right, beside those that are sure.
_WEAK_TRUST = 0.8


@dataclass(frozen=True)
class FittedSpace:
    """What a version needs of the fit.

    ``vectors``: medium → (n, dimension) float32; ``pairs`` (n, 2): film and song rows. ``learned``: what was
    learned, or why not; ``training``: films and artists it was learned from; ``card``: the relevance card, None
    without enough pairs. ``readers`` and ``name_weights`` place items that the catalogue does not hold.
    """

    space: Space
    vectors: Mapping[Medium, Floats]
    names: SparseIndex
    pairs: npt.NDArray[np.int64]
    learned: Mapping[str, Any]
    training: Mapping[str, list[str]]
    card: Mapping[str, Any] | None
    readers: ItemReaders
    name_weights: NameWeights


def fit_space(catalogue: Catalogue, config: BuildConfig, items: ItemFeatures) -> FittedSpace:
    """Fit the space to the features of ``items`` and to the catalogue's known pairs."""
    pairs = _rows(catalogue, catalogue.soundtracks, 1.0)
    weak = _rows(catalogue, _weak(catalogue, config), _WEAK_TRUST)
    enough = (
        len(pairs.movies) >= relevance.LEAST_PAIRS and len(np.unique(pairs.movies)) >= relevance.LEAST_FILMS
    )
    terms, name_weights = weigh_names(catalogue.movies, catalogue.tracks)
    names = SparseIndex.build(terms)
    counts: dict[Medium, int] = {"movies": len(catalogue.movies), "tracks": len(catalogue.tracks)}
    blocks = items.blocks["movies"]
    sizes = {
        "text": blocks["text"].shape[1],
        "themes": blocks["themes"].shape[1],
        "mood": 2 * MOOD_BINS,
        "emotion": blocks["emotion"].shape[1] if "emotion" in blocks else 0,
        "learned": 0,
        "dials": 3,
        "hub": 1,
    }
    parts = {medium: dict(items.blocks[medium]) for medium in MEDIA}
    whitened: dict[Medium, Whitened] = {}
    readers = items.readers
    if enough:
        whitened = {medium: Whitened.fit(items.alignment[medium]) for medium in MEDIA}
        alignment = Alignment.fit(whitened, pairs.join(weak), DIMENSION)
        for medium in MEDIA:
            parts[medium]["learned"] = unit(alignment.project(medium, whitened[medium].rows))
        sizes["learned"] = parts["movies"]["learned"].shape[1]
        readers = ItemReaders(
            replace(readers.movies, learned=Projection.of(whitened["movies"], alignment, "movies")),
            replace(readers.tracks, learned=Projection.of(whitened["tracks"], alignment, "tracks")),
        )
    space = Space(sizes, _weights(config), items.track_mean, items.film_text, items.emotion)
    vectors = {medium: space.place(parts[medium]) for medium in MEDIA}
    bias = relevance.fit_hub_bias(relevance.Scorer(space, vectors, names), counts, config.seed)
    hub = space.block("hub").start
    for medium in MEDIA:
        # Around the median, which changes no order: an ordinary item is neither held back nor helped.
        vectors[medium][:, hub] = -config.hub_weight * (bias[medium] - np.median(bias[medium]))
    card = None
    if enough:
        casts = _casts(catalogue, pairs), _casts(catalogue, weak)
        held = relevance.hold_out(space, vectors, whitened, names, pairs, weak, casts, config.seed)
        space = space.with_curves(relevance.fit_curves(held))
        scorer = relevance.Scorer(space, vectors, names)
        card = relevance.make_card(held, pairs, scorer, counts, config.seed)
    return FittedSpace(
        space,
        vectors,
        names,
        np.stack([pairs.movies, pairs.tracks], axis=1),
        _say_learned(items, len(pairs.movies), enough),
        _training(catalogue, pairs, weak),
        card,
        readers,
        name_weights,
    )


def _weights(config: BuildConfig) -> dict[str, float]:
    return {
        "text": config.text_weight,
        "themes": config.themes_weight,
        "mood": config.mood_weight,
        "emotion": config.emotion_weight,
        "learned": config.learned_weight,
        "dials": 1.0,
        "hub": 1.0,
        "names": config.names_weight,
    }


def _weak(catalogue: Catalogue, config: BuildConfig) -> pd.DataFrame:
    """Weak pairs, less those that are known pairs as well."""
    if config.weak_soundtracks is None:
        return catalogue.soundtracks.iloc[:0]
    weak, _ = read_soundtracks(config.weak_soundtracks, catalogue.movies, catalogue.tracks, config.preset)
    sure = set(zip(catalogue.soundtracks["tmdb_id"], catalogue.soundtracks["track_id"], strict=True))
    doubtful = [pair not in sure for pair in zip(weak["tmdb_id"], weak["track_id"], strict=True)]
    return weak[doubtful]


def _rows(catalogue: Catalogue, pairs: pd.DataFrame, trust: float) -> Pairs:
    movies = {str(id): row for row, id in enumerate(catalogue.movies["id"])}
    tracks = {str(id): row for row, id in enumerate(catalogue.tracks["id"])}
    return Pairs(
        np.array([movies[id] for id in pairs["tmdb_id"]], dtype=np.int64),
        np.array([tracks[id] for id in pairs["track_id"]], dtype=np.int64),
        np.full(len(pairs), trust),
    )


def _casts(catalogue: Catalogue, pairs: Pairs) -> list[frozenset[str]]:
    cells = catalogue.tracks["artists"].iloc[pairs.tracks]
    return [
        frozenset(make_key(name) for name in cell.split(SEPARATOR)) if isinstance(cell, str) else frozenset()
        for cell in cells
    ]


def _training(catalogue: Catalogue, pairs: Pairs, weak: Pairs) -> dict[str, list[str]]:
    both = pairs.join(weak)
    return {
        "movies": sorted({str(id) for id in catalogue.movies["id"].iloc[both.movies]}),
        "artists": sorted({artist for cast in _casts(catalogue, both) for artist in cast}),
    }


def _say_learned(items: ItemFeatures, pairs: int, enough: bool) -> dict[str, str]:
    """What each learned part was learned from, or why it was not."""
    least, films = relevance.LEAST_PAIRS, relevance.LEAST_FILMS
    return {
        "alignment": f"{pairs} known pairs"
        if enough
        else f"not learned: {pairs} known pairs; {least} of {films} films are needed",
        "film_text": "keywords" if items.film_text.learned else f"not learned: {items.film_text.reason}",
        "emotion": (
            "song labels"
            if items.emotion is not None
            else "not learned: no files of song emotions were given"
        ),
    }
