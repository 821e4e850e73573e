"""A browser, servers over small index versions, and pages that remember what went wrong on them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page

from indexer.build import build
from indexer.config import BuildConfig
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS
from server.benchmarks.chromium import chromium, find_chromium

from .walking import Seen, World, best_known_of, serving, watched

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
METHODS = ("random", "text-cosine")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """For this package alone: while Playwright runs, no other event loop can in its thread."""
    if find_chromium() is None:
        pytest.skip("there is no Chromium here (on Debian: apt-get install chromium)")
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="session")
def starter_with_methods(starter_indexes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter catalogue with methods to compare with; its vectors come from the version without them."""
    indexes = Path(shutil.copytree(starter_indexes, tmp_path_factory.mktemp("browser") / "indexes"))
    build(
        BuildConfig(
            movies=MOVIES,
            tracks=TRACKS,
            soundtracks=SOUNDTRACKS,
            indexes=indexes,
            methods=METHODS,
            force=True,
        )
    )
    return indexes


@pytest.fixture(scope="session")
def real_slice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred films and songs of the real data: those of every sixth known pair, and others."""
    if not DATA.is_dir():
        pytest.skip("the shared data is not here")
    folder = tmp_path_factory.mktemp("slice")
    movies = pd.read_csv(DATA / "movies_19k.csv", dtype=str)
    tracks = pd.read_csv(DATA / "tracks_82k.csv", dtype=str)
    pairs = pd.read_csv(DATA / "soundtracks.csv", dtype=str)
    pairs = pairs[pairs["track_id"].isin(tracks["track_id"]) & pairs["tmdb_id"].isin(movies["id"])].iloc[::6]
    for name, table, ids, wanted, others in (
        ("movies", movies, "id", pairs["tmdb_id"], 150),
        ("tracks", tracks, "track_id", pairs["track_id"], 250),
    ):
        known = table[ids].isin(wanted)
        rest = table[~known]
        pd.concat([table[known], rest.iloc[:: max(1, len(rest) // others)]]).to_csv(
            folder / f"{name}.csv", index=False
        )
    pairs.to_csv(folder / "soundtracks.csv", index=False)
    indexes = folder / "indexes"
    build(
        BuildConfig(
            movies=folder / "movies.csv",
            tracks=folder / "tracks.csv",
            soundtracks=folder / "soundtracks.csv",
            indexes=indexes,
            methods=METHODS,
        )
    )
    return indexes


@pytest.fixture(scope="package")
def starter_world(browser: Browser, starter_with_methods: Path) -> Iterator[World]:
    with serving(starter_with_methods) as address:
        yield best_known_of(address, starter_with_methods)


@pytest.fixture(scope="package")
def slice_world(browser: Browser, real_slice: Path) -> Iterator[World]:
    with serving(real_slice) as address:
        yield best_known_of(address, real_slice)


@pytest.fixture(params=["starter", "slice"])
def world(request: pytest.FixtureRequest) -> World:
    """Each version in turn."""
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


@pytest.fixture
def page_and_seen(browser: Browser) -> Iterator[tuple[Page, Seen]]:
    with watched(browser, viewport={"width": 1280, "height": 900}) as both:
        yield both


@pytest.fixture
def page(page_and_seen: tuple[Page, Seen]) -> Page:
    return page_and_seen[0]


@pytest.fixture
def seen(page_and_seen: tuple[Page, Seen]) -> Seen:
    return page_and_seen[1]
