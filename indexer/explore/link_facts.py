"""Which blocks of the shared space carry the link between a film and its songs, in a built version."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer.catalogue.records import Medium, other_medium
from indexer.explore.statistics import Floats, Plain, as_plain, missing
from indexer.index_version import IndexVersion
from indexer.metrics import ClusterBootstrap
from indexer.soundtracks import SOURCES
from indexer.space import MEDIA

#: Random items that each known answer is set beside.
RANDOM_A_PAIR = 20
LEAST_PAIRS = 10
_LEARNED = "learned"

Rows = npt.NDArray[np.int64]


def link_facts(version: IndexVersion, pairs: pd.DataFrame, draws: int, seed: int) -> Plain:
    """Mean terms of the score in known pairs against random ones, by the medium that is searched.

    ``pairs`` (columns tmdb_id, track_id; may be empty) are told apart from those that the version was given: only
    the others show what it carries. A block's share is its part of the mean
    score that known pairs have above random ones; shares sum to 1, and one below 0 works against the link.
    ``leads``: share of pairs in which the block stands furthest above random. Intervals draw whole films (``draws``).
    """
    space = version.space
    filled = [place for place, block in enumerate(space.blocks) if block.stop > block.start]
    sets = {"learned": _given(version), "unseen": _others(version, pairs)}
    facts: Plain = {
        "version": version.name,
        "movies": version.indexes["movies"].size,
        "tracks": version.indexes["tracks"].size,
        "sources": [
            {key: each[key] for key in ("what", "file", "sha256")} for each in version.manifest["sources"]
        ],
        "random_a_pair": RANDOM_A_PAIR,
        "weights": dict(space.weights),
        "blocks": [space.blocks[place].name for place in filled],
        "sets": {},
    }
    for name, rows in sets.items():
        about: Plain = {"pairs": len(rows), "films": len(np.unique(rows[:, 0]))}
        if len(rows) < LEAST_PAIRS:
            facts["sets"][name] = {**about, **missing(f"fewer than {LEAST_PAIRS} pairs")}
            continue
        targets = {}
        for target in MEDIA:
            known, random = _terms(version, rows, target, filled, seed)
            targets[target] = _compare(facts["blocks"], known, random, rows[:, 0], draws, seed)
        facts["sets"][name] = {**about, "targets": targets}
    return facts


def _given(version: IndexVersion) -> Rows:
    """Rows (p, 2) of the pairs that the version was given, and drew together."""
    facts = version.soundtracks.facts
    given: Rows = facts[facts[:, 2] == SOURCES.index("given"), :2].astype(np.int64)
    return given


def _others(version: IndexVersion, pairs: pd.DataFrame) -> Rows:
    """Rows (p, 2) of the pairs that the version was not given, each once."""
    store = version.store
    place = {m: {id: row for row, id in enumerate(store.ids(m, range(store.count(m))))} for m in MEDIA}
    given = set(map(tuple, _given(version).tolist()))
    found = sorted(
        {
            (place["movies"][film], place["tracks"][track])
            for film, track in zip(pairs["tmdb_id"], pairs["track_id"], strict=True)
            if film in place["movies"] and track in place["tracks"]
        }
        - given
    )
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _terms(
    version: IndexVersion, pairs: Rows, target: Medium, filled: list[int], seed: int
) -> tuple[Floats, Floats]:
    """Terms of each pair's score, and their means over random items instead of the known one: both (p, blocks)."""
    source = other_medium(target)
    rows = {"movies": pairs[:, 0], "tracks": pairs[:, 1]}
    space, index = version.space, version.indexes[target]
    rng = np.random.default_rng(seed)
    known, random = [], []
    for asked_row, row in zip(rows[source].tolist(), rows[target].tolist(), strict=True):
        others: Rows = np.append(np.int64(row), rng.integers(0, index.size, RANDOM_A_PAIR)).astype(np.int64)
        asked = space.queries(version.indexes[source].vectors([asked_row]))[0]
        terms = space.terms(asked, index.vectors(others))[:, filled]
        known.append(terms[0])
        random.append(terms[1:].mean(axis=0))
    return np.array(known), np.array(random)


def _compare(
    names: list[str],
    known: Floats,
    random: Floats,
    films: Rows,
    draws: int,
    seed: int,
) -> list[Plain]:
    above = known - random
    total = above.sum(axis=1)
    apart = above[:, [column for column, name in enumerate(names) if name != _LEARNED]].sum(axis=1)
    bootstrap = ClusterBootstrap(films, draws, seed)
    leading = above.argmax(axis=1)
    return [
        {
            "block": name,
            "known": float(known[:, column].mean()),
            "random": float(random[:, column].mean()),
            "difference": as_plain(bootstrap.mean(above[:, column])),
            "share": as_plain(bootstrap.ratio(above[:, column], total)),
            "share_without_learned": (
                None if name == _LEARNED else as_plain(bootstrap.ratio(above[:, column], apart))
            ),
            "leads": float(np.mean(leading == column)),
        }
        for column, name in enumerate(names)
    ]
