"""The stages of a build over a made-up catalogue, each to be run in a process of its own.

What is timed is the build's own function; reading back what an earlier stage left is not. Every stage gives its
seconds as ``seconds``: part → seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.benchmarks.filter_cases import SHARES, FilterCase, find_cases
from indexer.benchmarks.fresh_process import run_fresh
from indexer.benchmarks.made_films import HeldFilms
from indexer.benchmarks.million_data import (
    MadeSizes,
    make_table,
    read_vectors,
    write_moods,
    write_pairs,
    write_texts,
    write_vectors,
)
from indexer.benchmarks.million_index import build_trial, search_trial, sum_up
from indexer.catalogue.records import Medium, other_medium
from indexer.catalogue_store import write_store
from indexer.filter_columns import FilterColumns
from indexer.map_layout import lay_out
from indexer.query_sample import pick_texts, sample_queries
from indexer.space import MEDIA
from indexer.unseen import write_unseen
from indexer.vector_index import open_index

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Million:
    """Where things are: ``real``, a folder with a published version; ``folder``, the version being built; ``scratch``.

    ``sizes``: what is made up; ``queries`` and ``cases`` (filters for each selectivity): what is asked of an index.
    """

    real: Path
    folder: Path
    scratch: Path
    sizes: MadeSizes
    queries: int = 200
    cases: int = 3


class Clock:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)


def prepare(million: Million) -> dict[str, Any]:
    """Make the tables, vectors, moods and texts, and copy what does not grow: space, encoder, known soundtracks."""
    clock = Clock()
    version = versions.open_version(million.real)
    with clock.part("tables"):
        for medium in MEDIA:
            make_table(version, medium, million.sizes.of(medium)).to_parquet(_table_file(million, medium))
    with clock.part("vectors"):
        written = write_vectors(version, million.sizes, million.scratch)
    with clock.part("the rest"):
        write_moods(version, million.sizes, million.folder)
        written |= write_texts(version, million.sizes, million.folder)
        for name in (versions.ENCODER, versions.SPACE):
            shutil.copytree(version.folder / name, million.folder / name)
        write_pairs(version, million.sizes, million.folder)
    version.close()
    return {"seconds": clock.seconds, **written}


def store(million: Million) -> dict[str, Any]:
    """Write the catalogue with its title look-up."""
    clock, tables = Clock(), _read_tables(million)
    path = million.folder / versions.CATALOGUE
    with clock.part("store"):
        write_store(path, tables["movies"], tables["tracks"])
    return {"seconds": clock.seconds, "size_bytes": path.stat().st_size}


def filters(million: Million) -> dict[str, Any]:
    """Write the filter columns."""
    clock, tables = Clock(), _read_tables(million)
    for medium in MEDIA:
        with clock.part(medium):
            columns = FilterColumns.from_table(medium, tables[medium])
            columns.write(million.folder / versions.filters_folder(medium))
    return {"seconds": clock.seconds, "size_bytes": _size(million.folder, "*_filters/*")}


def unseen(million: Million) -> dict[str, Any]:
    """Write what places items that are not in the catalogue."""
    clock = Clock()
    with clock.part("unseen"):
        write_unseen(million.folder / versions.UNSEEN, _read_table(million, "tracks"))
    return {"seconds": clock.seconds, "size_bytes": _size(million.folder, f"{versions.UNSEEN}/**/*")}


def index(million: Million, medium: Medium, kind: str, file: Path) -> dict[str, Any]:
    """Build one medium's index, the vectors of the other in memory beside it as in a build."""
    vectors = {m: read_vectors(million.scratch, m) for m in MEDIA}
    version = versions.open_version(million.real)
    short = pick_texts(_read_table(million, "movies"), million.sizes.seed)
    texts: Floats = np.concatenate([version.encoder.encode([text]) for text in short])
    # The queries that choose the settings are drawn by another seed than those that are timed.
    plan = sample_queries(version.space, vectors, medium, texts, million.sizes.seed + 1)
    version.close()
    built = build_trial(vectors[medium], kind, plan, file)
    return {"seconds": {"build": built["build_s"], "write": built["write_s"]}, **built}


def search(million: Million, medium: Medium, kind: str, file: Path) -> dict[str, Any]:
    """Search one medium's index on one thread, half by films and half by songs, and compare with an exact scan."""
    columns = FilterColumns.open(million.folder / versions.filters_folder(medium), medium)
    asked = ask(million, medium, columns)
    opener = partial(open_index, file, kind)
    searched = run_fresh(search_trial, opener, asked.queries, asked.masks, asked.cases)
    return compare(million, medium, asked, searched)


class Questions(NamedTuple):
    """What an index is asked: queries (n, dimension), filters, and the rows that pass each."""

    queries: Floats
    cases: list[FilterCase]
    masks: list[Mask | None]


def ask(million: Million, medium: Medium, columns: FilterColumns) -> Questions:
    """Draw the questions for one medium."""
    version = versions.open_version(million.real)
    vectors = {m: read_vectors(million.scratch, m, mapped=True) for m in MEDIA}
    none: Floats = np.empty((0, 0), np.float32)
    asked = sample_queries(version.space, vectors, medium, none, million.sizes.seed)
    version.close()
    half = million.queries // 2
    parts = (asked[other_medium(medium)][: million.queries - half], asked[medium][:half])
    cases = find_cases(columns, SHARES, million.cases, million.sizes.seed)
    masks = [columns.mask(case.filters) for case in cases]
    return Questions(np.ascontiguousarray(np.concatenate(parts)), cases, masks)


def compare(
    million: Million, medium: Medium, asked: Questions, searched: Mapping[str, Any]
) -> dict[str, Any]:
    """Compare what ``search_trial`` found with an exact scan of the made vectors."""
    queries, cases, masks = asked
    vectors = read_vectors(million.scratch, medium, mapped=True)
    return {
        "seconds": {"open": round(searched["open_s"], 2)},
        "rows": len(vectors),
        **searched["memory"],
        "searches": sum_up(HeldFilms(vectors), queries, masks, cases, searched),
        "unfiltered_ms": [
            round(ms, 4)
            for ms, (_, case) in zip(searched["times_ms"], searched["turns"], strict=True)
            if cases[case].wanted == 1.0
        ],
    }


def lay_out_map(million: Million) -> dict[str, Any]:
    """Lay out the map."""
    clock = Clock()
    vectors = {m: read_vectors(million.scratch, m) for m in MEDIA}
    version = versions.open_version(million.real)
    with clock.part("map"):
        lay_out(version.space, vectors, million.sizes.seed).write(million.folder / versions.MAP)
    version.close()
    return {"seconds": clock.seconds}


def seal(million: Million, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Hash, sync and name the version; its manifest says that it is made up."""
    clock = Clock()
    version = versions.open_version(million.real)
    sizes = million.sizes
    manifest = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": {medium: sizes.of(medium) for medium in MEDIA}
        | {"soundtracks": len(version.soundtracks.facts)},
        "index": dict(kinds),
        "made_up": f"the items of {version.name} over and over, noise {sizes.noise:g}, seed {sizes.seed}",
        "methods": {},
        **{name: version.manifest[name] for name in ("dimension", "metric", "encoder")},
    }
    version.close()
    files = [path.stat().st_size for path in million.folder.rglob("*") if path.is_file()]
    with clock.part("seal"):
        name = versions.seal(million.folder, manifest, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    return {"seconds": clock.seconds, "name": name, "size_bytes": sum(files), "files": len(files)}


def publish(indexes: Path, name: str) -> dict[str, Any]:
    """Verify, open and publish the version; the caller holds the lock."""
    clock = Clock()
    with clock.part("verify"):
        versions.verify(indexes / name)
    with clock.part("verify and open"):
        versions.open_version(indexes, name).close()
    with clock.part("publish, verifying again"):
        publication.publish(indexes, name)
    return {"seconds": clock.seconds}


def _real_folder(million: Million) -> Path:
    return million.real / index_folder.current_name(million.real)


def _table_file(million: Million, medium: Medium) -> Path:
    return million.scratch / f"{medium}.parquet"


def _read_table(million: Million, medium: Medium) -> pd.DataFrame:
    return pd.read_parquet(_table_file(million, medium))


def _read_tables(million: Million) -> dict[Medium, pd.DataFrame]:
    return {medium: _read_table(million, medium) for medium in MEDIA}


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())
