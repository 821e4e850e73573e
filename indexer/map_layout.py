"""The map: a place in two dimensions for every film and song, fitted at build.

Vectors of the two media lie in different parts of the space, so the map is not made from distances. It is made from
ranks: every item is tied to its nearest items within its medium and to its best matches in the other one, each tie
counting the same, and t-SNE lays out that graph. So a film comes to lie among the songs that it matches.
t-SNE: van der Maaten and Hinton (2008); by interpolation, Linderman et al. (2019), in openTSNE; ties that all count
the same in place of a perplexity: Damrich et al. (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.space import MEDIA, Space

Floats = npt.NDArray[np.float32]
Positions = npt.NDArray[np.uint16]
Rows = npt.NDArray[np.int64]
#: Gets how much of the work is done and how much there is.
OnStep = Callable[[int, int], None]

#: Ties of an item within its medium and to the other one.
OWN_TIES = 10
OTHER_TIES = 6
#: Neighbours within a medium are looked for in so many principal components, which hold most of a vector.
_COMPONENTS = 96
#: Rows compared at a time with all of a medium: 650 MB for 80,000 songs.
_CHUNK = 2_048
#: Smaller catalogues are placed by their first two components: there is no neighbourhood to keep.
_LEAST = 60
#: Iterations with attraction twelve times as strong, which gathers clusters, and after it.
_EARLY, _LATE = (200, 12.0), (400, 1.6)
_ROUNDS = (_EARLY[0], _LATE[0])
_STEPS_A_REPORT = 50
#: More items than this are laid out by a sample of so many, the media in the proportion that they have.
MOST_LAID_OUT = 131_072
#: An item outside the sample lies at the median of so many of its nearest there, as openTSNE places what is new, and
#: off it by this share of the map's side, so that items with the same neighbours are not one point.
_PLACED_BY = 5
_SCATTER = 0.002
#: From so many points on, repulsion is interpolated on a grid.
_INTERPOLATED = 5_000
_MOST = 65_535


@dataclass(frozen=True)
class MapLayout:
    """``positions``: medium → (n, 2) uint16, x and y of every row in one square of side 65,535."""

    positions: Mapping[Medium, Positions]

    def write(self, folder: Path) -> None:
        """Write one .npy file a medium; the same layout gives the same bytes."""
        folder.mkdir()
        for medium in MEDIA:
            np.save(folder / f"{medium}.npy", self.positions[medium], allow_pickle=False)

    @classmethod
    def open(cls, folder: Path, sizes: Mapping[Medium, int]) -> MapLayout:
        """Read what ``write`` wrote for so many rows of each medium; raises ``VersionDamaged``."""
        positions: dict[Medium, Positions] = {}
        for medium in MEDIA:
            try:
                found = np.load(folder / f"{medium}.npy", allow_pickle=False)
            except (OSError, EOFError, ValueError) as error:
                raise VersionDamaged(f"{folder.name}/{medium}.npy cannot be read: {error}") from error
            if found.dtype != np.uint16 or found.shape != (sizes[medium], 2):
                raise VersionDamaged(
                    f"{folder.name}/{medium}.npy holds {found.dtype} {found.shape}, not {sizes[medium]} positions"
                )
            positions[medium] = found
        return cls(positions)


def lay_out(
    space: Space,
    vectors: Mapping[Medium, Floats],
    seed: int = 0,
    on_step: OnStep = lambda *_: None,
    most: int = MOST_LAID_OUT,
) -> MapLayout:
    """Place the items with these vectors, medium → (n, dimension); the same input and seed give the same places.

    ``most``: of more items than this a sample is laid out, and the others are placed by it.
    """
    total = sum(len(vectors[medium]) for medium in MEDIA)
    sampled: Mapping[Medium, Floats] = vectors
    picked: dict[Medium, Rows] = {}
    if total > most:
        for medium in MEDIA:
            size = len(vectors[medium])
            picked[medium] = np.linspace(0, size - 1, max(2, round(most * size / total))).astype(np.int64)
        sampled = {medium: vectors[medium][picked[medium]] for medium in MEDIA}
    sizes = [len(sampled[medium]) for medium in MEDIA]
    axes = _Axes.fit(space, sampled)
    reduced = {medium: axes.reduce(sampled[medium]) for medium in MEDIA}
    start = np.concatenate([axes.centre(medium, reduced[medium])[:, :2] for medium in MEDIA])
    left = sum(-(-(len(vectors[medium]) - size) // _CHUNK) for medium, size in zip(MEDIA, sizes, strict=True))
    if sum(sizes) < _LEAST or min(sizes) < 2:
        placed = start
    else:
        placed = _embed(
            _tie(space, sampled, reduced), start, seed, lambda done, all_: on_step(done, all_ + left)
        )
    places: dict[Medium, Floats] = dict(zip(MEDIA, np.split(placed, [sizes[0]]), strict=True))
    done, scatter = sum(_ROUNDS), _SCATTER * float(np.ptp(placed, axis=0).max())
    for medium, rows in picked.items():
        random = np.random.default_rng((seed, len(rows)))
        whole = np.empty((len(vectors[medium]), 2), dtype=np.float32)
        whole[rows] = places[medium]
        others = np.setdiff1d(np.arange(len(whole)), rows)
        for begin in range(0, len(others), _CHUNK):
            chunk = others[begin : begin + _CHUNK]
            amid = _place_amid(axes.reduce(vectors[medium][chunk]), reduced[medium], places[medium])
            whole[chunk] = amid + random.normal(0.0, scatter, amid.shape)
            done += 1
            on_step(done, sum(_ROUNDS) + left)
        places[medium] = whole
    square = _to_square(np.concatenate([places[medium] for medium in MEDIA]))
    return MapLayout(dict(zip(MEDIA, np.split(square, [len(places["movies"])]), strict=True)))


def _place_amid(rows: Floats, sample: Floats, places: Floats) -> Floats:
    """Places (n, 2) of items amid the places of the nearest of a sample, by inner product."""
    import torch  # loads slowly

    scores = torch.mm(torch.from_numpy(rows), torch.from_numpy(sample).T)
    nearest = torch.topk(scores, min(_PLACED_BY, len(sample)), dim=1).indices.numpy()
    amid: Floats = np.median(places[nearest], axis=1).astype(np.float32)
    return amid


def nearest_within(rows: Floats, count: int) -> Rows:
    """The rows nearest to each of ``rows`` by inner product, itself left out, best first: (n, count) int64."""
    import torch  # loads slowly

    count = min(count, len(rows) - 1)
    found = np.empty((len(rows), count), dtype=np.int64)
    items = torch.from_numpy(rows)
    for begin in range(0, len(rows), _CHUNK):
        scores = torch.mm(items[begin : begin + _CHUNK], items.T)
        own = torch.arange(len(scores))
        scores[own, own + begin] = -torch.inf
        found[begin : begin + _CHUNK] = torch.topk(scores, count, dim=1).indices.numpy()
    return found


def best_matches(
    films: Floats, songs: Floats, film_bias: Floats, song_bias: Floats, count: int
) -> tuple[Rows, Rows]:
    """The best songs of each film and the best films of each song: (films, count) and (songs, count) int64.

    The score is the inner product and the bias of what is found. One product serves both ways, which halves the work.
    """
    import torch  # loads slowly

    found = np.empty((len(films), min(count, len(songs))), dtype=np.int64)
    columns, of_songs = torch.from_numpy(songs).T, torch.from_numpy(song_bias)
    best = torch.full((min(count, len(films)), len(songs)), -torch.inf)
    rows = torch.zeros(best.shape, dtype=torch.int64)
    for begin in range(0, len(films), _CHUNK):
        chunk = slice(begin, begin + _CHUNK)
        scores = torch.mm(torch.from_numpy(films[chunk]), columns)
        found[chunk] = torch.topk(scores + of_songs, found.shape[1], dim=1).indices.numpy()
        scores += torch.from_numpy(film_bias[chunk, None])
        own, places = torch.topk(scores, min(len(best), len(scores)), dim=0)
        both, known = torch.cat([best, own]), torch.cat([rows, places + begin])
        best, places = torch.topk(both, len(best), dim=0)
        rows = known.gather(0, places)
    return found, rows.T.numpy()


@dataclass(frozen=True)
class _Axes:
    """Principal axes (columns, components) of the ``kept`` columns; ``means``: a medium's mean in components.

    Dials and hub are left out: they say nothing of likeness.
    """

    kept: Rows
    axes: Floats
    means: Mapping[Medium, Floats]

    @classmethod
    def fit(cls, space: Space, vectors: Mapping[Medium, Floats]) -> _Axes:
        kept = np.concatenate(
            [np.arange(b.start, b.stop) for b in space.blocks if b.name not in ("dials", "hub")]
        )
        rows = {medium: vectors[medium][:, kept] for medium in MEDIA}
        # A medium counts the same however many rows it has, and is centred, so that no axis tells media apart.
        means = {medium: rows[medium].mean(axis=0) for medium in MEDIA}
        spread = np.zeros((len(kept), len(kept)))
        for medium in MEDIA:
            centred = rows[medium] - means[medium]
            spread += centred.T.astype(np.float64) @ centred.astype(np.float64) / max(len(centred), 1)
        axes = np.linalg.eigh(spread)[1][:, ::-1][:, :_COMPONENTS]
        # An axis has no direction of its own; the sign of its largest part is made positive.
        axes *= np.sign(axes[np.argmax(np.abs(axes), axis=0), np.arange(axes.shape[1])])
        axes = np.ascontiguousarray(axes, dtype=np.float32)
        return cls(kept, axes, {medium: means[medium] @ axes for medium in MEDIA})

    def reduce(self, vectors: Floats) -> Floats:
        """The components (n, components) of vectors (n, dimension)."""
        return np.ascontiguousarray(vectors[:, self.kept] @ self.axes)

    def centre(self, medium: Medium, reduced: Floats) -> Floats:
        """Components around the medium's mean: where a layout starts from."""
        centred: Floats = reduced - self.means[medium]
        return centred


def _tie(space: Space, vectors: Mapping[Medium, Floats], reduced: Mapping[Medium, Floats]) -> Any:
    """The graph of ties, a symmetric CSR matrix over films, then songs."""
    from scipy.sparse import coo_matrix

    offsets: dict[Medium, int] = {"movies": 0, "tracks": len(vectors["movies"])}
    total = sum(len(vectors[medium]) for medium in MEDIA)
    # As a search scores them: what a query silences here is silent both ways.
    hub = space.block("hub")
    asked = space.queries(vectors["movies"])
    asked[:, hub.start : hub.stop] = 0.0
    biases = {medium: np.ascontiguousarray(vectors[medium][:, hub.start]) for medium in MEDIA}
    songs, films = best_matches(asked, vectors["tracks"], biases["movies"], biases["tracks"], OTHER_TIES)
    own = {medium: nearest_within(reduced[medium], OWN_TIES) for medium in MEDIA}
    ends: list[tuple[Rows, Rows]] = []
    found: tuple[tuple[Medium, Medium, Rows], ...] = (
        ("movies", "tracks", songs),
        ("tracks", "movies", films),
        *((medium, medium, own[medium]) for medium in MEDIA),
    )
    for source, target, rows in found:
        begin = np.repeat(np.arange(len(rows)), rows.shape[1]) + offsets[source]
        ends.append((begin, rows.ravel() + offsets[target]))
    begin, end = (np.concatenate(side) for side in zip(*ends, strict=True))
    ties = coo_matrix((np.ones(len(begin)), (begin, end)), shape=(total, total)).tocsr()
    return ties + ties.T


def _embed(ties: Any, start: Floats, seed: int, on_step: OnStep) -> Floats:
    from openTSNE import TSNEEmbedding, affinity, initialization

    is_small = len(start) < _INTERPOLATED
    placed = TSNEEmbedding(
        initialization.rescale(start.astype(np.float64)),
        affinity.PrecomputedAffinities(ties.astype(np.float64)),
        negative_gradient_method="bh" if is_small else "fft",
        random_state=seed,
        # Threads cost a small catalogue more than they save. Another number of them rounds otherwise.
        n_jobs=1 if is_small else -1,
    )
    done, total = 0, sum(_ROUNDS)

    def tell(iteration: int, _error: float, _embedding: Any) -> None:
        on_step(done + iteration, total)

    watch = {"callbacks": [tell], "callbacks_every_iters": _STEPS_A_REPORT}
    placed.optimize(_EARLY[0], exaggeration=_EARLY[1], momentum=0.5, inplace=True, **watch)
    done = _EARLY[0]
    placed.optimize(_LATE[0], exaggeration=_LATE[1], momentum=0.8, inplace=True, **watch)
    return np.asarray(placed, dtype=np.float32)


def _to_square(placed: Floats) -> Positions:
    """Scale places to whole numbers, x and y alike."""
    low, high = placed.min(axis=0), placed.max(axis=0)
    side = max(float((high - low).max()), 1e-12)
    centred = (placed - (low + high) / 2) / side + 0.5
    places: Positions = np.round(np.clip(centred, 0, 1) * _MOST).astype(np.uint16)
    return places
