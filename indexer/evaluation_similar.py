"""Songs to songs, for which no pairs are known: whether lists hold the same artists, or songs of shared tags.

Both stand in for what cannot be measured here, that people find two songs alike. A method that reads artists or
tags itself is flattered by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Track
from indexer.errors import UnsupportedQuery
from indexer.evaluate import Scorer
from indexer.evaluation_results import LabelFigure, Settings
from indexer.metrics import ClusterBootstrap, top_rows
from indexer.title_lookup import make_key

Floats64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SAME_ARTIST = "song → song, proxy: same artist"
SHARED_TAGS = "song → song, proxy: shared tags"
CHANCE = "by chance"
_AT_ONCE = 200


@dataclass(frozen=True)
class _Songs:
    """The songs that are compared, as places 0 … n − 1: their rows, first artists, titles and tags."""

    rows: Rows
    artists: Rows
    titles: Rows
    tags: Sequence[frozenset[str]]


def evaluate_similar(
    scorers: Mapping[str, Scorer], tracks: Sequence[Track], known: npt.NDArray[np.bool_], settings: Settings
) -> tuple[list[LabelFigure], list[str]]:
    """Both proxies for every scorer that goes from songs to songs, among the songs of ``known`` (songs,) alone.

    Same artist: the share of a list by the query's first artist; songs of its very title are left out, for they
    are mostly the same recording again. Shared tags: the mean Jaccard index of the tags of query and list, songs
    by its artist left out. Lists of ten, intervals by artist; random queries, the same for every scorer. Gives
    the figures and what is to be said of them.
    """
    songs = _gather(tracks, known)
    figures: list[LabelFigure] = []
    remarks: list[str] = []
    refused: dict[str, str] = {}
    for task, queries, own in (
        (SAME_ARTIST, _with_company(songs), songs.titles),
        (SHARED_TAGS, _with_tags(songs), songs.artists),
    ):
        rng = np.random.default_rng([settings.seed, len(figures)])
        queries = np.sort(rng.permutation(queries)[: settings.random_queries])
        if len(queries) < 2:
            remarks.append(f"{task}: fewer than two songs to ask with, not measured")
            continue
        bootstrap = ClusterBootstrap(songs.artists[queries], settings.draws, settings.seed)
        gains = _same_artist if task == SAME_ARTIST else _tag_overlap
        values = {CHANCE: _by_chance(songs, queries, own, task, settings)}
        for name, scorer in scorers.items():
            try:
                lists = _list(scorer, songs, queries, own, settings.list_length)
            except UnsupportedQuery as error:
                refused[name] = str(error)
                continue
            values[name] = np.array(
                [
                    np.mean([gains(songs, query, item) for item in row[row >= 0].tolist()] or [0.0])
                    for query, row in zip(queries.tolist(), lists, strict=True)
                ]
            )
        measure = f"{'share' if task == SAME_ARTIST else 'Jaccard'}@{settings.list_length}"
        for name, each in values.items():
            figure = bootstrap.mean(each)
            figures.append(
                LabelFigure(task, name, measure, figure, len(songs.rows), len(queries), len(queries))
            )
    if figures:
        remarks.append(
            f"song → song: no pairs are known; the same artist and shared tags stand in, among the {len(songs.rows):,} "
            "songs with lyrics or a cover; methods that read artists or tags themselves are flattered"
        )
    remarks += [f"song → song: {name} does not answer: {why}" for name, why in refused.items()]
    return figures, remarks


def _gather(tracks: Sequence[Track], known: npt.NDArray[np.bool_]) -> _Songs:
    rows = np.flatnonzero(known)
    some = [tracks[row] for row in rows.tolist()]
    # A song without an artist is alone with itself.
    names = [make_key(song.artists[0]) if song.artists else f"\x00{song.id}" for song in some]
    titles = [make_key(song.title) for song in some]
    return _Songs(
        rows,
        np.unique(names, return_inverse=True)[1].astype(np.int64),
        np.unique(titles, return_inverse=True)[1].astype(np.int64),
        [frozenset(tag.casefold() for tag in (*song.tags, *song.genres)) for song in some],
    )


def _with_company(songs: _Songs) -> Rows:
    """Places of songs whose artist has another title here."""
    titles: dict[int, set[int]] = {}
    for artist, title in zip(songs.artists.tolist(), songs.titles.tolist(), strict=True):
        titles.setdefault(artist, set()).add(title)
    return np.array(
        [place for place, artist in enumerate(songs.artists.tolist()) if len(titles[artist]) > 1],
        dtype=np.int64,
    )


def _with_tags(songs: _Songs) -> Rows:
    return np.array([place for place, tags in enumerate(songs.tags) if tags], dtype=np.int64)


def _list(scorer: Scorer, songs: _Songs, queries: Rows, own: Rows, length: int) -> Rows:
    """The first places (queries, length) for each query, −1 where there are fewer; those of its own left out."""
    lists: list[Rows] = []
    length = min(length, len(songs.rows))
    for start in range(0, len(queries), _AT_ONCE):
        some = queries[start : start + _AT_ONCE]
        scores = scorer.scores("tracks", songs.rows[some], "tracks")[:, songs.rows].astype(np.float64)
        scores[own[some][:, None] == own[None, :]] = -np.inf
        top = top_rows(scores, length)
        lists.append(np.where(np.isneginf(np.take_along_axis(scores, top, axis=1)), -1, top))
    return np.concatenate(lists)


def _same_artist(songs: _Songs, query: int, item: int) -> float:
    return float(songs.artists[query] == songs.artists[item])


def _tag_overlap(songs: _Songs, query: int, item: int) -> float:
    union = songs.tags[query] | songs.tags[item]
    return len(songs.tags[query] & songs.tags[item]) / len(union) if union else 0.0


def _by_chance(songs: _Songs, queries: Rows, own: Rows, task: str, settings: Settings) -> Floats64:
    """What a list of random songs gives: for artists exactly, for tags over a sample of 200 songs a query."""
    rng = np.random.default_rng([settings.seed, 2])
    found = []
    for query in queries.tolist():
        others = np.flatnonzero(own != own[query])
        if task == SAME_ARTIST:
            found.append(
                float(np.mean(songs.artists[others] == songs.artists[query])) if len(others) else 0.0
            )
        else:
            drawn = rng.permutation(others)[:200].tolist()
            found.append(float(np.mean([_tag_overlap(songs, query, item) for item in drawn] or [0.0])))
    return np.array(found)
