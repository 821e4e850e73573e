"""Fits the shared space to a catalogue: known pairs drawn together, hub bias, and the relevance card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import relevance
from indexer.catalogue.catalogue import Catalogue
from indexer.catalogue.records import Medium, other_medium
from indexer.config import BuildConfig
from indexer.feel_pairs import KnownPairs, find_feel_pairs
from indexer.item_features import ItemFeatures
from indexer.normalisation import unit
from indexer.readers import Readers, carried_curves
from indexer.soundtracks import Soundtracks, gather_soundtracks
from indexer.space import MEDIA, Space

Floats = npt.NDArray[np.float32]

#: How much the known partners of an item count beside the item itself, and a soundtrack beside a pair that feels alike.
_PARTNERS = 0.9
_SOUNDTRACK = 0.35


@dataclass(frozen=True)
class FittedSpace:
    """What a version needs of the fit: ``vectors`` medium → (n, dimension) float32, facts, and the relevance card.

    ``learned``: what was known of the catalogue's items; ``card``: None without enough pairs.
    """

    space: Space
    vectors: Mapping[Medium, Floats]
    soundtracks: Soundtracks
    learned: Mapping[str, Any]
    card: Mapping[str, Any] | None


def fit_space(
    catalogue: Catalogue, config: BuildConfig, items: ItemFeatures, readers: Readers
) -> FittedSpace:
    """Fit the space to the features of ``items`` and to the pairs that are known of the catalogue."""
    given = _rows(catalogue)
    blocks = items.blocks["movies"]
    sizes = {name: rows.shape[1] for name, rows in blocks.items()} | {"hub": 1}
    space = Space(sizes, _weights(config), readers, carried_curves())
    pairs = find_feel_pairs(catalogue.movies, catalogue.tracks)
    vectors = _place(space, items, pairs, config)
    card = None
    if len(given) >= relevance.LEAST_PAIRS and len(np.unique(given[:, 0])) >= relevance.LEAST_FILMS:
        # Measured before the given pairs are drawn together, so that they are found by what is known otherwise.
        counts: dict[Medium, int] = {medium: len(vectors[medium]) for medium in MEDIA}
        card = relevance.make_card(relevance.Scorer(space, vectors), given, counts, config.seed)
    if len(given):
        vectors = _place(
            space, items, pairs.join(KnownPairs(given, np.full(len(given), _SOUNDTRACK))), config
        )
    return FittedSpace(
        space,
        vectors,
        gather_soundtracks(catalogue.movies, catalogue.tracks, given),
        {
            "films": _say_written(items, "movies"),
            "songs": _say_written(items, "tracks"),
            "pairs": f"{len(pairs.rows):,} pairs that feel alike, {len(given):,} soundtrack pairs given",
        },
        card,
    )


def _place(space: Space, items: ItemFeatures, pairs: KnownPairs, config: BuildConfig) -> dict[Medium, Floats]:
    """Item vectors with known pairs drawn together, and with what is held against each item."""
    learned = {medium: items.blocks[medium]["learned"] for medium in MEDIA}
    vectors: dict[Medium, Floats] = {}
    for medium in MEDIA:
        drawn = unit(
            learned[medium]
            + _PARTNERS * pairs.means(medium, len(learned[medium]), learned[other_medium(medium)])
        )
        vectors[medium] = space.place(
            {**items.blocks[medium], "learned": drawn}, items.described[medium].sure
        )
    counts: dict[Medium, int] = {medium: len(vectors[medium]) for medium in MEDIA}
    bias = relevance.fit_hub_bias(relevance.Scorer(space, vectors), counts, config.seed)
    hub = space.block("hub").start
    for medium in MEDIA:
        # Around the median, which changes no order: an ordinary item is neither held back nor helped.
        centred = bias[medium] - np.median(bias[medium])
        vectors[medium][:, hub] = -config.hub_weight * centred - items.against[medium]
    return vectors


def _say_written(items: ItemFeatures, medium: Medium) -> str:
    sure = items.described[medium].sure
    return f"{int((sure > 0).sum()):,} of {len(sure):,} are written about; the others are predicted"


def _weights(config: BuildConfig) -> dict[str, float]:
    return {
        "moods": config.moods_weight,
        "music": config.music_weight,
        "scenes": config.scenes_weight,
        "era": config.era_weight,
        "feeling": config.feeling_weight,
        "meaning": config.meaning_weight,
        "learned": config.learned_weight,
        "dials": 1.0,
        "hub": 1.0,
    }


def _rows(catalogue: Catalogue) -> npt.NDArray[np.int64]:
    """Film and song rows (n, 2) of the pairs that the user gave."""
    movies = {str(id): row for row, id in enumerate(catalogue.movies["id"])}
    tracks = {str(id): row for row, id in enumerate(catalogue.tracks["id"])}
    pairs = zip(catalogue.soundtracks["tmdb_id"], catalogue.soundtracks["track_id"], strict=True)
    rows = [(movies[str(film)], tracks[str(song)]) for film, song in pairs]
    return np.array(rows, dtype=np.int64).reshape(-1, 2)
