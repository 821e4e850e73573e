"""What posters add to the space on known pairs: read by the learned alignment, or by the films' mood."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from indexer import index_folder, relevance, space_fit
from indexer import index_version as versions
from indexer.alignment import Whitened
from indexer.catalogue.catalogue import read_catalogue
from indexer.catalogue.records import Medium
from indexer.config import BuildConfig
from indexer.encoding import EncodedTexts
from indexer.features.text_encoder import TextEncoder
from indexer.item_features import describe_items
from indexer.normalisation import unit
from indexer.space import MEDIA, spread_moods

Floats = npt.NDArray[np.float32]
Ranks = Mapping[Medium, npt.NDArray[np.float64]]

_FILES = (
    "movies",
    "tracks",
    "soundtracks",
    "weak_soundtracks",
    "song_emotions",
    "emotion_words",
    "movie_tags",
)
#: Principal directions of the posters that the alignment reads, and their weight beside a text of unit length.
_READINGS = ((64, 0.5), (64, 1.0), (256, 1.0))
#: How much of the mood of a film with a poster is the poster's.
_SHARES = (0.5, 1.0)
_DRAWS = 1000


def climb(
    options: argparse.Namespace, ids: Sequence[str], posters: Floats, tell: Callable[[str], None]
) -> None:
    """Print figures as built and with posters, for all pairs and for those of films with one.

    ``ids`` of the films that ``posters`` (n, d), of unit length, are of. The pairs' five folds are disjoint in film and
    artist; the hub bias is that of the space as built. Errors as a build's.
    """
    chosen = {name: path for name in _FILES if (path := getattr(options, name)) is not None}
    config = BuildConfig.from_dict({**chosen, "indexes": options.indexes, "seed": options.seed})
    catalogue = read_catalogue(config.movies, config.tracks, config.soundtracks, config.preset)
    folder = config.indexes / index_folder.current_name(config.indexes)
    encoder = TextEncoder.open(folder / versions.ENCODER)
    texts = EncodedTexts(encoder, folder / versions.ENCODER, folder, lambda *_: None)
    items = describe_items(catalogue, config, texts.encode)
    fitted = space_fit.fit_space(catalogue, config, items)
    pairs = space_fit._rows(catalogue, catalogue.soundtracks, 1.0)
    weak = space_fit._rows(catalogue, space_fit._weak(catalogue, config), space_fit._WEAK_TRUST)
    casts = space_fit._casts(catalogue, pairs), space_fit._casts(catalogue, weak)
    place = {str(id): row for row, id in enumerate(catalogue.movies["id"])}
    kept = [at for at, id in enumerate(ids) if id in place]
    rows, posters = np.array([place[ids[at]] for at in kept]), posters[kept]
    with_poster = np.isin(pairs.movies, rows)
    whitened = {medium: Whitened.fit(items.alignment[medium]) for medium in MEDIA}
    counts: dict[Medium, int] = {"movies": len(catalogue.movies), "tracks": len(catalogue.tracks)}
    tell(
        f"{len(pairs.movies)} pairs; {int(with_poster.sum())} of {len(np.unique(pairs.movies[with_poster]))} films "
        "with a poster; in brackets the 95 % interval of the difference to the first line, drawn by film"
    )

    def rank(vectors: Mapping[Medium, Floats], films: Whitened) -> Ranks:
        both: dict[Medium, Whitened] = {"movies": films, "tracks": whitened["tracks"]}
        held = relevance.hold_out(fitted.space, vectors, both, fitted.names, pairs, weak, casts, config.seed)
        return held.ranks

    built = rank(fitted.vectors, whitened["movies"])

    def say(step: str, ranks: Ranks) -> None:
        for name, some in (("all", np.ones(len(with_poster), dtype=bool)), ("with poster", with_poster)):
            told = [_say(medium, ranks, built, pairs.movies, some, counts[medium]) for medium in MEDIA]
            tell(f"  {step:32s} {name:12s} " + " | ".join(told))

    say("as built", built)
    mean = posters.mean(axis=0)
    directions = np.linalg.svd(posters - mean, full_matrices=False)[2]
    for size, weight in _READINGS:
        read = np.zeros((counts["movies"], size), dtype=np.float32)
        read[rows] = weight * unit((posters - mean) @ directions[:size].T)
        films = Whitened.fit(np.concatenate([items.alignment["movies"], read], axis=1))
        say(f"alignment reads {size} at {weight}", rank(fitted.vectors, films))
    from indexer.benchmarks.pictures import cross_fitted

    moods = items.moods["movies"]
    seen = cross_fitted(posters, moods[rows].astype(np.float64), config.seed)
    # Regression shrinks towards the middle; moods should stay as spread as they were.
    seen = (seen - seen.mean(axis=0)) / seen.std(axis=0) * moods[rows].std(axis=0) + moods[rows].mean(axis=0)
    block = fitted.space.block("mood")
    for share in _SHARES:
        mixed = moods.copy()
        mixed[rows] = np.clip((1 - share) * moods[rows] + share * seen, 0.0, 1.0)
        films_vectors = fitted.vectors["movies"].copy()
        films_vectors[:, block.start : block.stop] = spread_moods(mixed) * np.float32(np.sqrt(block.weight))
        changed: dict[Medium, Floats] = {"movies": films_vectors, "tracks": fitted.vectors["tracks"]}
        say(f"mood {share:.0%} the poster's", rank(changed, whitened["movies"]))


def _say(
    medium: Medium,
    ranks: Ranks,
    built: Ranks,
    films: npt.NDArray[np.int64],
    some: npt.NDArray[np.bool_],
    items: int,
) -> str:
    now, before = ranks[medium][some], built[medium][some]
    parts = [f"median pct {100 * np.median(now) / items:.1f}"]
    for within in (100, 10):
        hits = (now <= within).astype(np.float64) - (before <= within)
        low, high = _interval(hits, films[some])
        parts.insert(
            0, f"R@{within} {100 * (now <= within).mean():.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        )
    return f"{'song→film' if medium == 'movies' else 'film→song'} {' '.join(parts)}"


def _interval(values: npt.NDArray[np.float64], films: npt.NDArray[np.int64]) -> tuple[float, float]:
    """95 % interval of the mean, by drawing films with all their pairs."""
    _, film = np.unique(films, return_inverse=True)
    sums, sizes = np.bincount(film, values), np.bincount(film)
    drawn = np.random.default_rng(0).integers(0, len(sizes), (_DRAWS, len(sizes)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
