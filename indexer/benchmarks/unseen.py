"""Songs that an index version does not hold: how well they find their films, beside the same songs indexed.

Known pairs are split by film and artist. For each fold, two spaces are fitted to its training pairs: one to the whole
catalogue, whose test songs are asked as indexed, and one to the catalogue without the songs of the test pairs, which
are asked as items. Weak pairs are left out of both, since they may name the films and artists kept aside.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from indexer import index_folder, metrics
from indexer import index_version as versions
from indexer.catalogue.catalogue import Catalogue, read_catalogue
from indexer.catalogue.records import AUDIO_FEATURES, SEPARATOR, Track, track_from_cells
from indexer.config import BuildConfig
from indexer.encoding import EncodedTexts
from indexer.features.text_encoder import TextEncoder
from indexer.item_features import describe_items
from indexer.relevance import Scorer
from indexer.space_fit import FittedSpace, fit_space
from indexer.title_lookup import make_key
from indexer.unseen import Placed, Placing, write_unseen
from indexer.unseen_items import UnseenTrack

Floats = npt.NDArray[np.float32]
Floats64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_FOLDS = 5
_AUDIO = (*AUDIO_FEATURES, "key", "mode", "time_signature")
_NAMES = ("title", "artists")
#: View → parts of a song that are given.
_VIEWS: Mapping[str, tuple[str, ...]] = {
    "all parts": tuple(name for name in Track.__slots__ if name not in ("id", "other_ids")),
    "title, artists, year, tags, audio": (*_NAMES, "year", "decade", "genres", "tags", *_AUDIO),
    "tags and audio": ("genres", "tags", *_AUDIO),
    "title and artists": _NAMES,
    "title alone": ("title",),
    "audio alone": _AUDIO,
}
_INDEXED = "indexed"
_NO_OTHERS = "all parts, artist unknown"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument(
        "--indexes", type=Path, required=True, help="a folder whose served version holds the texts"
    )
    for name in ("movies", "tracks", "soundtracks"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("song-emotions", "emotion-words", "movie-tags"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="seed of the split (0)")
    parser.add_argument("--folds", type=int, default=_FOLDS, help=f"how many of the {_FOLDS} folds to run")


def run(options: argparse.Namespace) -> None:
    """Ask the songs of every fold both ways and print a line a view; the texts come from a built version."""
    chosen = {k: v for k, v in vars(options).items() if k not in {"folds", "benchmark"} and v is not None}
    config = BuildConfig.from_dict(chosen)
    catalogue = read_catalogue(config.movies, config.tracks, config.soundtracks, config.preset)
    folder = config.indexes / index_folder.current_name(config.indexes)
    encoder = TextEncoder.open(folder / versions.ENCODER)
    texts = EncodedTexts(encoder, folder / versions.ENCODER, folder, lambda *_: None)
    row_of = {str(id): row for row, id in enumerate(catalogue.tracks["id"])}
    film_of = {str(id): row for row, id in enumerate(catalogue.movies["id"])}
    songs = np.array([row_of[str(id)] for id in catalogue.soundtracks["track_id"]], dtype=np.int64)
    films = np.array([film_of[str(id)] for id in catalogue.soundtracks["tmdb_id"]], dtype=np.int64)
    casts = [_cast(catalogue.tracks["artists"].iloc[row]) for row in songs.tolist()]
    folds = metrics.split_pairs(films.tolist(), casts, _FOLDS, config.seed)[: options.folds]
    whole = describe_items(catalogue, config, texts.encode)
    _tell(
        f"{len(catalogue.movies):,} films, {len(catalogue.tracks):,} songs, {len(songs)} pairs, {len(folds)} of "
        f"{_FOLDS} folds disjoint by film and artist, seed {config.seed}; song→film"
    )
    songs_of = _Songs(catalogue)
    ranks: dict[str, list[Floats64]] = {}
    for train, test in folds:
        known = replace(catalogue, soundtracks=catalogue.soundtracks.iloc[train])
        hidden = sorted(set(songs[test].tolist()))
        asked = dict(zip(hidden, songs_of.read(hidden), strict=True))
        found = {_INDEXED: _rank_indexed(fit_space(known, config, whole), songs[test], films[test])}
        rest = replace(known, tracks=known.tracks.drop(index=hidden).reset_index(drop=True))
        items = describe_items(rest, config, texts.encode)
        fitted = fit_space(rest, config, items)
        with TemporaryDirectory() as temporary:
            unseen = Path(temporary) / versions.UNSEEN
            write_unseen(unseen, fitted.readers, fitted.name_weights, rest.tracks)

            def encode(some: Sequence[str]) -> Floats:
                return texts.encode(some, "items")

            placing = Placing.open(unseen, fitted.space, fitted.names.terms, _Songs(rest).read, encode)
            for view, parts in _VIEWS.items():
                placed = {row: _place(placing, song, parts) for row, song in asked.items()}
                found[view] = _rank_placed(fitted, placed, songs[test], films[test])
            alone = Placing.open(unseen, fitted.space, fitted.names.terms, lambda _: [], encode)
            placed = {row: _place(alone, song, _VIEWS["all parts"]) for row, song in asked.items()}
            found[_NO_OTHERS] = _rank_placed(fitted, placed, songs[test], films[test])
        for view, values in found.items():
            ranks.setdefault(view, []).append(values)
    tested = np.concatenate([films[test] for _, test in folds])
    bootstrap = metrics.ClusterBootstrap(tested, draws=500, seed=config.seed)
    gallery = len(catalogue.movies)
    base = metrics.recall_at(np.concatenate(ranks[_INDEXED]), 10).mean()
    for view, per_fold in ranks.items():
        values = np.concatenate(per_fold)
        hits = bootstrap.mean(metrics.recall_at(values, 10))
        deep = bootstrap.mean(metrics.recall_at(values, 100))
        middle = bootstrap.median(metrics.rank_percentile(values, gallery))
        share = hits.value / base if base else float("nan")
        _tell(
            f"  {view:34s} R@10 {_percent(hits)} ({100 * share:.0f} % of indexed) | R@100 {_percent(deep)} | "
            f"pct {middle.value:.1f} [{middle.low:.1f}, {middle.high:.1f}]"
        )


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _percent(figure: metrics.Interval) -> str:
    return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def _cast(cell: object) -> frozenset[str]:
    return (
        frozenset(make_key(name) for name in cell.split(SEPARATOR)) if isinstance(cell, str) else frozenset()
    )


class _Songs:
    """The songs of a catalogue by row; its table is turned into plain cells once."""

    def __init__(self, catalogue: Catalogue) -> None:
        table = catalogue.tracks
        self._cells = {
            str(name): table[name].astype(object).where(table[name].notna(), None).tolist()
            for name in table.columns
        }

    def read(self, rows: Sequence[int]) -> list[Track]:
        return [track_from_cells({name: cells[row] for name, cells in self._cells.items()}) for row in rows]


def _place(placing: Placing, song: Track, parts: Sequence[str]) -> Placed:
    given = {name: getattr(song, name) for name in parts}
    return placing.place(UnseenTrack(Track(id="item-1", **{"title": "", **given})))


def _rank_indexed(fitted: FittedSpace, songs: Rows, films: Rows) -> Floats64:
    asked, place = np.unique(songs, return_inverse=True)
    scores = Scorer(fitted.space, fitted.vectors, fitted.names).scores("tracks", asked, "movies")
    return metrics.rank_of(scores, films, place)


def _rank_placed(fitted: FittedSpace, placed: Mapping[int, Placed], songs: Rows, films: Rows) -> Floats64:
    asked, place = np.unique(songs, return_inverse=True)
    vectors = np.stack([placed[row].vector for row in asked.tolist()])
    scores = fitted.space.queries("tracks", vectors, "movies") @ fitted.vectors["movies"].T
    for number, row in enumerate(asked.tolist()):
        rows, values = fitted.names.scores(fitted.names.combine([placed[row].names]), "movies")
        scores[number, rows] += np.float32(fitted.space.names_weight) * values
    return metrics.rank_of(scores, films, place)
