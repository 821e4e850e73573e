"""The map of a built version: how long it takes to lay out, and how much of the space it keeps."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.benchmarks.surroundings import describe
from indexer.catalogue.records import Medium, other_medium
from indexer.index_version import IndexVersion
from indexer.map_layout import MapLayout, lay_out
from indexer.space import MEDIA

Floats = npt.NDArray[np.float32]
Places = Mapping[Medium, npt.NDArray[np.float64]]

_IN_SPACE, _ON_MAP = 10, 50
_NOUNS: Mapping[Medium, str] = {"movies": "film", "tracks": "song"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder whose served version is taken")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=2_000, help="items of each medium that are looked at")
    parser.add_argument("--as-built", action="store_true", help="measure the version's own map; lay out none")
    parser.add_argument("--twice", action="store_true", help="lay out a second time and compare the bytes")
    parser.add_argument(
        "--into", type=Path, help="a folder that gets a copy of the version with the map, served"
    )


def run(options: argparse.Namespace) -> int:
    """Lay out the map, print seconds and what it keeps; 1 where a second layout differs."""
    for name, fact in describe(options.seed, ("openTSNE", "numpy", "torch")).items():
        sys.stdout.write(f"{name}: {fact}\n")
    version = versions.open_version(options.indexes)
    vectors = {m: version.indexes[m].vectors(np.arange(version.indexes[m].size)) for m in MEDIA}
    sys.stdout.write(f"films: {len(vectors['movies']):,}, songs: {len(vectors['tracks']):,}\n")
    is_same = True
    layout = version.map_layout
    if layout is None or not options.as_built:
        layout = _time(version, vectors, options.seed)
        if options.twice:
            again = _time(version, vectors, options.seed)
            is_same = all(layout.positions[m].tobytes() == again.positions[m].tobytes() for m in MEDIA)
            sys.stdout.write(f"the second layout is the same, byte for byte: {'yes' if is_same else 'NO'}\n")
    _report(version, vectors, layout, options.sample, options.seed)
    if options.into is not None:
        sys.stdout.write(f"written: {options.into / add_map(version, layout, options.into)}\n")
    version.close()
    return 0 if is_same else 1


def add_map(version: IndexVersion, layout: MapLayout, indexes: Path) -> str:
    """Publish a copy of a version with this map in ``indexes``, and return its name."""
    with index_folder.lock(indexes), index_folder.new_folder(indexes) as folder:
        left_out = shutil.ignore_patterns(versions.MANIFEST, versions.SEAL, versions.MAP)
        shutil.copytree(version.folder, folder, dirs_exist_ok=True, ignore=left_out)
        layout.write(folder / versions.MAP)
        manifest = versions.read_manifest(version.folder)
        kept = {name: value for name, value in manifest.items() if name not in ("format", "files")}
        name = versions.seal(folder, kept, version.name)
        publication.publish(indexes, name, force=True)
    return name


def _time(version: IndexVersion, vectors: Mapping[Medium, Floats], seed: int) -> MapLayout:
    wall, work = time.perf_counter(), time.process_time()
    layout = lay_out(version.space, vectors, seed)
    wall, work = time.perf_counter() - wall, time.process_time() - work
    sys.stdout.write(f"laid out in {wall:.1f} s ({work:.1f} s of processor time)\n")
    return layout


def _report(
    version: IndexVersion, vectors: Mapping[Medium, Floats], layout: MapLayout, size: int, seed: int
) -> None:
    from sklearn.manifold import trustworthiness  # loads slowly

    random = np.random.default_rng(seed)
    places: Places = {m: layout.positions[m].astype(np.float64) for m in MEDIA}
    samples = {m: np.sort(random.permutation(len(vectors[m]))[:size]) for m in MEDIA}
    sys.stdout.write(
        f"of the {_IN_SPACE} best by score, the share among the {_ON_MAP} nearest of that medium on the map "
        f"({size:,} items each; by chance)\n"
    )
    for source in MEDIA:
        for target in (source, other_medium(source)):
            share = kept_share(version, vectors, places, source, target, samples[source])
            chance = min(1.0, _ON_MAP / len(vectors[target]))
            sys.stdout.write(f"  {_NOUNS[source]} to {_NOUNS[target]}: {share:.3f} ({chance:.4f})\n")
    for medium in MEDIA:
        rows = samples[medium]
        kept = np.concatenate(
            [np.arange(b.start, b.stop) for b in version.space.blocks if b.name not in ("dials", "hub")]
        )
        trust = trustworthiness(vectors[medium][np.ix_(rows, kept)], places[medium][rows], n_neighbors=10)
        sys.stdout.write(f"trustworthiness among {len(rows):,} {medium} (10 neighbours): {trust:.3f}\n")
    songs = share_of_songs(places, samples["movies"])
    base = len(vectors["tracks"]) / sum(len(vectors[m]) for m in MEDIA)
    sys.stdout.write(
        f"songs among the 10 points nearest to a film: {songs:.3f} (of all points: {base:.3f})\n"
    )


def kept_share(
    version: IndexVersion,
    vectors: Mapping[Medium, Floats],
    places: Places,
    source: Medium,
    target: Medium,
    rows: npt.NDArray[np.int64],
) -> float:
    """How much of the 10 best of ``target`` in the space is among its 50 nearest on the map, for rows of ``source``."""
    shares = []
    depth = min(_ON_MAP, len(places[target]) - 1)
    for chunk in np.array_split(rows, max(1, len(rows) // 250)):
        asked = version.space.queries(vectors[source][chunk])
        scores = asked @ vectors[target].T
        away = _squares(places[source][chunk], places[target])
        if source == target:
            scores[np.arange(len(chunk)), chunk] = -np.inf
            away[np.arange(len(chunk)), chunk] = np.inf
        best = np.argpartition(-scores, _IN_SPACE, axis=1)[:, :_IN_SPACE]
        limit = np.partition(away, depth - 1, axis=1)[:, depth - 1, None]
        shares.append((np.take_along_axis(away, best, axis=1) <= limit).mean(axis=1))
    return float(np.concatenate(shares).mean())


def share_of_songs(places: Places, films: npt.NDArray[np.int64]) -> float:
    """The share of songs among the 10 points nearest to a film, for these rows of films."""
    every = np.concatenate([places[medium] for medium in MEDIA])
    shares = []
    for chunk in np.array_split(films, max(1, len(films) // 250)):
        away = _squares(every[chunk], every)
        away[np.arange(len(chunk)), chunk] = np.inf
        shares.append((np.argpartition(away, 10, axis=1)[:, :10] >= len(places["movies"])).mean(axis=1))
    return float(np.concatenate(shares).mean())


def _squares(some: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared distances (n, m); exact, since places are whole numbers."""
    squares: npt.NDArray[np.float64] = (
        (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2.0 * some @ others.T
    )
    return squares
