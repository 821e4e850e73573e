"""The evaluation run: methods against known pairs and labels, over whole galleries (see ``docs/evaluation.md``).

``Evaluation.to_dict()`` is what ``--json`` writes::

    {"format": 1, "settings": {…}, "galleries": {"movies": n, "tracks": n},
     "pairs": {"pairs": n, "movies": n, "tracks": n, …counts of the pairs file},
     "directions": [{"method", "source", "target", "gallery", "supported": true, "pairs", "queries",
                     "recall": {"1": I, "10": I, "100": I}, "mrr": I, "ndcg10": I,
                     "median_percentile": I, "median_peer_percentile": I,
                     "lists": {"lists", "length", "gallery", "distinct_per_slot": I, "distinct_if_random": x,
                               "distinct_by_position": I, "largest_hub": I, "gini": I, "skewness": I,
                               "diversity": I or null, "most_common": [x, …]},
                     "calibration": {"true_pairs", "random_pairs", "ece15": I, "ece10": I,
                                     "curve": [{"mean", "rate", "count", "weight"}, …]} or null},
                    {"method", "source", "target", "gallery", "supported": false, "reason"}, …],
     "comparisons": [{"method", "reference", "source", "target", "gallery", "measure": "recall@10", "pairs",
                      "difference": I, "ratio": I, "p", "p_holm"}, …],
     "labels": [{"task", "method", "measure", "figure": I, "gallery", "queries", "examples"}, …],
     "facts": {method: {name: value, …}, …}}

with ``I`` = ``{"value", "low", "high"}``, a 95 % interval, and null for what is not finite (a ratio to nothing).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer import metrics
from indexer.catalogue.records import Medium
from indexer.errors import InputError, MissingColumn, UnreadableFile, UnsupportedQuery
from indexer.metrics import ClusterBootstrap, Interval, ReliabilityBin

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

DIRECTIONS: tuple[tuple[Medium, Medium], ...] = (("tracks", "movies"), ("movies", "tracks"))
CUTS = (1, 10, 100)
#: The commonest items whose share of lists is told one by one.
_MOST_COMMON = 20


class Scorer(Protocol):
    """What is evaluated: anything with a method's ``scores``."""

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Score all items of ``target`` for each of ``rows``: (rows, items) float32; may raise ``UnsupportedQuery``."""
        ...


@dataclass(frozen=True)
class Gallery:
    """All items of one medium: ``popularity`` (n,), NaN unknown, and ``vectors`` (n, d) for intra-list diversity.

    Popularity is the vote count for films and the source's popularity for songs; a zero vector is a missing one.
    """

    popularity: npt.NDArray[Any]
    vectors: npt.NDArray[Any]

    @property
    def items(self) -> int:
        """How many items are ranked."""
        return len(self.popularity)


@dataclass(frozen=True)
class Settings:
    """How an evaluation is run. ``reference``: every other method is tested against it (else the first method)."""

    seed: int = 0
    draws: int = 1000
    flips: int = 10_000
    random_queries: int = 1000
    list_length: int = 10
    peer_share: float = 0.05
    reference: str = "segue"
    #: Scores held at a time; 16 million float32 are 64 MB.
    cells: int = 16_000_000


# --- pairs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Known pairs as rows of the catalogue, each once; ``counts`` says what became of the file's lines."""

    movie_rows: Rows
    track_rows: Rows
    counts: Mapping[str, int] = field(default_factory=dict)


def read_pairs(path: Path, movie_rows: Mapping[str, int], track_rows: Mapping[str, int]) -> Pairs:
    """Read a CSV with the columns ``tmdb_id`` and ``track_id``; the mappings give the catalogue's row of an id.

    Counts: ``lines``, ``unmatched_lines``, ``unmatched_movie_ids``, ``unmatched_track_ids``, ``repeated_lines``.
    Raises ``UnreadableFile``, ``MissingColumn``, and ``InputError`` where no pair is left.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            missing = [name for name in ("tmdb_id", "track_id") if name not in header]
            if missing:
                raise MissingColumn(f"{path.name} has no column {' and no column '.join(missing)}")
            lines = [((line["tmdb_id"] or "").strip(), (line["track_id"] or "").strip()) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path.name} cannot be read as a CSV file: {error}") from error
    if not lines:
        raise InputError(f"{path.name} holds no pairs")
    found = [(movie_rows[m], track_rows[t]) for m, t in lines if m in movie_rows and t in track_rows]
    if not found:
        raise InputError(f"{path.name}: none of its {len(lines)} pairs has both its film and its song here")
    counts = {
        "lines": len(lines),
        "unmatched_lines": len(lines) - len(found),
        "unmatched_movie_ids": len({m for m, _ in lines if m not in movie_rows}),
        "unmatched_track_ids": len({t for _, t in lines if t not in track_rows}),
        "repeated_lines": len(found) - len(set(found)),
    }
    unique = np.array(sorted(set(found)), dtype=np.int64)
    return Pairs(unique[:, 0], unique[:, 1], counts)


def leave_out_trained(
    pairs: Pairs,
    movie_ids: Sequence[str],
    artists: Sequence[Collection[str]],
    trained_movies: Set[str],
    trained_artists: Set[str],
) -> Pairs:
    """Leave out pairs whose film, or any of whose artists, the version was trained on.

    ``movie_ids`` and ``artists`` are by row; artists are compared without regard to case. Adds the counts
    ``trained_movie_pairs`` and ``trained_artist_pairs`` (a pair of both counts in both). Raises ``InputError``
    where none is left.
    """
    names = {artist.casefold() for artist in trained_artists}
    of_movie = np.array([movie_ids[row] in trained_movies for row in pairs.movie_rows], dtype=bool)
    of_artist = np.array(
        [any(a.casefold() in names for a in artists[row]) for row in pairs.track_rows], dtype=bool
    )
    kept = ~(of_movie | of_artist)
    if not kept.any():
        raise InputError("no pair is left: the version was trained on the film or an artist of each")
    counts = {
        **pairs.counts,
        "trained_movie_pairs": int(of_movie.sum()),
        "trained_artist_pairs": int(of_artist.sum()),
    }
    return Pairs(pairs.movie_rows[kept], pairs.track_rows[kept], counts)


# --- results -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ListFigures:
    """Top lists of random queries: how many, how long, over how many items, and how varied. ``docs/evaluation.md``."""

    lists: int
    length: int
    gallery: int
    distinct_per_slot: Interval
    distinct_if_random: float
    distinct_by_position: Interval
    largest_hub: Interval
    gini: Interval
    skewness: Interval
    diversity: Interval | None
    most_common: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """Match scores against what is so, true and random pairs at equal priors, in 15 and in 10 bins of equal width."""

    true_pairs: int
    random_pairs: int
    ece15: Interval
    ece10: Interval
    curve: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class Direction:
    """One method in one direction."""

    method: str
    source: Medium
    target: Medium
    gallery: int
    pairs: int
    queries: int
    recall: Mapping[str, Interval]
    mrr: Interval
    ndcg10: Interval
    median_percentile: Interval
    median_peer_percentile: Interval
    lists: ListFigures
    calibration: Calibration | None
    supported: bool = True


@dataclass(frozen=True)
class Unsupported:
    """A direction that a method does not have, and why."""

    method: str
    source: Medium
    target: Medium
    gallery: int
    reason: str
    supported: bool = False


@dataclass(frozen=True)
class Comparison:
    """The reference against another method on the same pairs: difference and ratio are reference to method."""

    method: str
    reference: str
    source: Medium
    target: Medium
    gallery: int
    measure: str
    pairs: int
    difference: Interval
    ratio: Interval
    p: float
    p_holm: float


@dataclass(frozen=True)
class LabelFigure:
    """One figure of an evaluation against people's labels."""

    task: str
    method: str
    measure: str
    figure: Interval
    gallery: int
    queries: int
    examples: int


@dataclass(frozen=True)
class Evaluation:
    """All that one run found; ``labels`` and methods' ``facts`` are added with ``dataclasses.replace``."""

    settings: Settings
    galleries: Mapping[Medium, int]
    pairs: Mapping[str, int]
    directions: tuple[Direction | Unsupported, ...]
    comparisons: tuple[Comparison, ...]
    labels: tuple[LabelFigure, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, in the shape at the top of this module."""
        return {"format": 1, **{f.name: _plain(getattr(self, f.name)) for f in fields(self)}}


# --- the run -------------------------------------------------------------------------------------------------


def evaluate(
    methods: Mapping[str, Scorer],
    pairs: Pairs,
    galleries: Mapping[Medium, Gallery],
    settings: Settings | None = None,
    calibrate: Mapping[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] | None = None,
) -> Evaluation:
    """Rank every item of the other medium for each side of ``pairs``, by every method.

    ``calibrate``: method → raw scores to probabilities, for the methods that claim to give any. Raises
    ``InputError`` without pairs or methods, ``ValueError`` where a method gives NaN or the wrong shape.
    """
    settings = settings or Settings()
    if not len(pairs.movie_rows) or not methods:
        raise InputError("nothing to evaluate: no pairs or no methods")
    bootstrap = ClusterBootstrap(pairs.movie_rows, settings.draws, settings.seed)
    reference = settings.reference if settings.reference in methods else next(iter(methods))
    directions: list[Direction | Unsupported] = []
    comparisons: list[Comparison] = []
    for source, target in DIRECTIONS:
        hits: dict[str, Floats64] = {}
        for name, method in methods.items():
            try:
                ranked = _rank(name, method, source, target, pairs, galleries, settings)
            except UnsupportedQuery as error:
                directions.append(Unsupported(name, source, target, galleries[target].items, str(error)))
                continue
            hits[name] = metrics.recall_at(ranked.ranks, 10)
            probability = (calibrate or {}).get(name)
            calibration = _calibration(ranked, probability, pairs, settings) if probability else None
            directions.append(_direction(name, source, target, ranked, galleries, bootstrap, calibration))
        if reference in hits:
            ours = hits.pop(reference)
            comparisons += [
                Comparison(
                    name,
                    reference,
                    source,
                    target,
                    galleries[target].items,
                    "recall@10",
                    len(ours),
                    bootstrap.difference(ours, theirs),
                    bootstrap.ratio(ours, theirs),
                    metrics.sign_flip_p(ours, theirs, pairs.movie_rows, settings.flips, settings.seed),
                    p_holm=1.0,
                )
                for name, theirs in hits.items()
            ]
    # One family for the whole run: both directions together.
    corrected = metrics.holm([each.p for each in comparisons])
    counts = {
        "pairs": len(pairs.movie_rows),
        "movies": len(np.unique(pairs.movie_rows)),
        "tracks": len(np.unique(pairs.track_rows)),
        **pairs.counts,
    }
    return Evaluation(
        settings,
        {medium: gallery.items for medium, gallery in galleries.items()},
        counts,
        tuple(directions),
        tuple(
            Comparison(**{**vars(each), "p_holm": p}) for each, p in zip(comparisons, corrected, strict=True)
        ),
    )


@dataclass(frozen=True)
class _Ranked:
    """Per pair (p,): query, rank, percentile among peers, raw score; the top lists; random pairs' raw scores (p,)."""

    queries: Rows
    ranks: Floats64
    peer_percentiles: Floats64
    raw: Floats64
    lists: ListFigures
    random_raw: Floats64


def _rank(
    name: str,
    method: Scorer,
    source: Medium,
    target: Medium,
    pairs: Pairs,
    galleries: Mapping[Medium, Gallery],
    settings: Settings,
) -> _Ranked:
    by_medium = {"movies": pairs.movie_rows, "tracks": pairs.track_rows}
    queries, relevant = by_medium[source], by_medium[target]
    gallery, count = galleries[target], len(queries)
    peers = metrics.PopularityPeers.of(gallery.popularity, settings.peer_share)
    ranks, peer_percentiles, raw = np.empty(count), np.empty(count), np.empty(count)
    distinct, place = np.unique(queries, return_inverse=True)
    for start, scores in _scored(name, method, source, distinct, target, gallery.items, settings):
        mine = np.flatnonzero((place >= start) & (place < start + len(scores)))
        line = place[mine] - start
        ranks[mine] = metrics.rank_of(scores, relevant[mine], line)
        raw[mine] = scores[line, relevant[mine]]
        peer_percentiles[mine] = [
            metrics.peer_percentile(scores[row], int(item), peers)
            for row, item in zip(line, relevant[mine], strict=True)
        ]
    # The same random queries and random pairs for every method.
    rng = np.random.default_rng([settings.seed, DIRECTIONS.index((source, target))])
    size = galleries[source].items
    chosen = np.sort(rng.choice(size, min(settings.random_queries, size), replace=False))
    at_random = rng.integers(gallery.items, size=count)
    of_query = rng.permutation(count) % len(chosen)
    random_raw = np.empty(count)
    tops = []
    for start, scores in _scored(name, method, source, chosen, target, gallery.items, settings):
        mine = np.flatnonzero((of_query >= start) & (of_query < start + len(scores)))
        random_raw[mine] = scores[of_query[mine] - start, at_random[mine]]
        tops.append(metrics.top_rows(scores, settings.list_length))
    figures = _list_figures(np.concatenate(tops), gallery, settings)
    return _Ranked(queries, ranks, peer_percentiles, raw, figures, random_raw)


def _scored(
    name: str, method: Scorer, source: Medium, rows: Rows, target: Medium, items: int, settings: Settings
) -> Any:
    """Yield (start, scores) over chunks of ``rows``, few enough at a time to hold."""
    step = max(1, settings.cells // items)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        scores = method.scores(source, some, target)
        if scores.shape != (len(some), items):
            raise ValueError(f"{name}: scores of shape {scores.shape}, expected {(len(some), items)}")
        if np.isnan(scores.min()):
            raise ValueError(f"{name}: scores hold NaN")
        yield start, scores


def _list_figures(lists: Rows, gallery: Gallery, settings: Settings) -> ListFigures:
    count, length = lists.shape
    shares = np.sort(metrics.occurrences(lists, gallery.items))[::-1][:_MOST_COMMON] / count
    known = metrics.intra_list_diversity(lists, gallery.vectors)
    known = known[~np.isnan(known)]

    def figure(statistic: Callable[[Rows], float]) -> Interval:
        return metrics.grouped_jackknife(lambda chosen: statistic(lists[chosen]), count, seed=settings.seed)

    def counted(measure: Callable[[Rows], float]) -> Interval:
        return figure(lambda some: measure(metrics.occurrences(some, gallery.items)))

    return ListFigures(
        count,
        length,
        gallery.items,
        figure(metrics.distinct_per_slot),
        metrics.distinct_if_random(count, length, gallery.items),
        figure(metrics.distinct_by_position),
        figure(lambda some: metrics.largest_hub(metrics.occurrences(some, gallery.items), len(some))),
        counted(metrics.gini),
        counted(metrics.skewness),
        metrics.grouped_jackknife(lambda chosen: float(known[chosen].mean()), len(known), seed=settings.seed)
        if len(known)
        else None,
        tuple(float(share) for share in shares if share > 0),
    )


def _direction(
    name: str,
    source: Medium,
    target: Medium,
    ranked: _Ranked,
    galleries: Mapping[Medium, Gallery],
    bootstrap: ClusterBootstrap,
    calibration: Calibration | None,
) -> Direction:
    _, query, sizes = np.unique(ranked.queries, return_inverse=True, return_counts=True)
    # Each query counts once: its pairs share its weight.
    ndcg = metrics.ndcg_at(ranked.ranks, ranked.queries, 10)[query]
    items = galleries[target].items
    return Direction(
        name,
        source,
        target,
        items,
        len(ranked.ranks),
        len(sizes),
        {str(k): bootstrap.mean(metrics.recall_at(ranked.ranks, k)) for k in CUTS},
        bootstrap.mean(metrics.reciprocal_rank(ranked.ranks)),
        bootstrap.mean(ndcg, weights=1.0 / sizes[query]),
        bootstrap.median(metrics.rank_percentile(ranked.ranks, items)),
        bootstrap.median(ranked.peer_percentiles),
        ranked.lists,
        calibration,
    )


def _calibration(
    ranked: _Ranked,
    probability: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    pairs: Pairs,
    settings: Settings,
) -> Calibration:
    said = np.asarray(probability(np.concatenate([ranked.raw, ranked.random_raw])), dtype=np.float64)
    count = len(ranked.raw)
    true = np.repeat([True, False], count)
    weights = metrics.equal_prior_weights(true)
    # A random pair goes with the film of the true pair it stands beside, so that priors stay equal in each draw.
    bootstrap = ClusterBootstrap(np.tile(pairs.movie_rows, 2), settings.draws, settings.seed)

    def error(bins: int) -> Interval:
        return bootstrap.statistic(
            metrics.expected_calibration_error(said, true, weights, bins),
            lambda times: metrics.expected_calibration_error(said, true, weights * times, bins),
        )

    curve = tuple(metrics.reliability_curve(said, true, weights, 10))
    return Calibration(count, count, error(15), error(10), curve)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
