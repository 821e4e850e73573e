"""Publishing on Milvus: loaded, checked, then visible; resumed where it was cut; rolled back; pruned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.errors import (
    EngineMismatch,
    EngineUnavailable,
    VersionDamaged,
    VersionError,
    VersionNotFound,
    VersionWorse,
)
from indexer.index_folder import current_name
from indexer.index_version import MANIFEST, SEAL, hash_file
from indexer.milvus import collections, loading, widths
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.publishing import Publisher
from indexer.publication import engine_history, prune
from indexer.space import MEDIA
from server.search import Query, Search
from tests.milvus.engines import ENGINES, drop_index_files, open_engine

QUERY = Query("tracks", text="a quiet night by the sea", limit=20)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MilvusEngine]:
    with open_engine(request, tmp_path, "publishing") as opened:
        yield opened


@pytest.fixture
def indexes(starter_indexes: Path, tmp_path: Path) -> Path:
    """Hard links to the starter's version: quick, and enough for what only reads, or puts files anew."""
    return Path(shutil.copytree(starter_indexes, tmp_path / "indexes", copy_function=_link))


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def second_version(
    indexes: Path, name: str, change: Callable[[dict[str, Any]], None] = lambda _: None
) -> str:
    shutil.copytree(indexes / current_name(indexes), indexes / name, copy_function=_link)
    manifest = indexes / name / MANIFEST
    said = json.loads(manifest.read_text(encoding="utf-8"))
    said["created_at"] = name
    change(said)
    for file in (manifest, manifest.with_name(SEAL)):
        file.unlink()
    manifest.write_text(json.dumps(said), encoding="utf-8")
    manifest.with_name(SEAL).write_text(f"{hash_file(manifest)}  {MANIFEST}\n", encoding="ascii")
    return name


def answers(engine: MilvusEngine, indexes: Path) -> list[str]:
    search = Search(engine.open_version(indexes, engine.current_name(indexes)))
    try:
        return [hit.id for hit in search.find(QUERY).hits]
    finally:
        search.close()


def spy_on(monkeypatch: pytest.MonkeyPatch, engine: MilvusEngine, before: Callable[[str, Any], None]) -> None:
    """Have ``before`` hear of every call, which it may raise instead of."""
    call = engine.connection.call

    def spied(method: str, /, *args: Any, **kwargs: Any) -> Any:
        before(method, args)
        return call(method, *args, **kwargs)

    monkeypatch.setattr(engine.connection, "call", spied)
    monkeypatch.setattr(loading, "PAUSES_S", ())


def test_a_published_version_answers_from_milvus_and_again_after_publishing_twice(engine, indexes, search):
    name = current_name(indexes)
    told: list[tuple[str, int, int]] = []
    Publisher(engine, indexes, lambda *step: told.append(step)).publish(name)
    drop_index_files(indexes / name)
    expected = [hit.id for hit in search.find(QUERY).hits]
    assert answers(engine, indexes) == expected
    assert [step for step in told if step[0] == "loading tracks"][-1] == ("loading tracks", 985, 985)
    assert engine_history(indexes, "milvus-publishing") == [name]
    assert Publisher(engine, indexes).check() == name


def test_publishing_the_served_version_again_loads_nothing(engine, indexes, monkeypatch):
    name = current_name(indexes)
    Publisher(engine, indexes).publish(name)
    called: list[str] = []
    spy_on(monkeypatch, engine, lambda method, args: called.append(method))
    Publisher(engine, indexes).publish(name)
    assert {"upsert", "create_collection", "create_alias", "alter_alias"} & set(called) == set()
    assert engine_history(indexes, "milvus-publishing") == [name]


def test_a_load_that_was_cut_goes_on_after_the_last_whole_batch_and_was_never_visible(
    engine, indexes, monkeypatch, search
):
    monkeypatch.setattr(loading, "BATCH_BYTES", 4 * search._version.space.dimension * 100)
    first, second = current_name(indexes), second_version(indexes, "29990101T000000Z")
    Publisher(engine, indexes).publish(first)
    starts: list[int] = []

    def cut(method: str, args: Any) -> None:
        if method == "upsert":
            starts.append(args[1][0]["row"])
            if len(starts) == 8:
                raise EngineUnavailable("Milvus cannot be reached")

    with monkeypatch.context() as patch:
        spy_on(patch, engine, cut)
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            Publisher(engine, indexes).publish(second)
    assert starts == [0, 100, 200, 300, 0, 100, 200, 300]
    assert engine.current_name(indexes) == first
    assert Publisher(engine, indexes).states() == {first: True, second: False}
    with pytest.raises(EngineMismatch, match="is not whole"):
        engine.open_version(indexes, second)

    starts.clear()
    with monkeypatch.context() as patch:
        spy_on(
            patch,
            engine,
            lambda method, args: starts.append(args[1][0]["row"]) if method == "upsert" else None,
        )
        Publisher(engine, indexes).publish(second)
    assert starts == [300, 400, 500, 600, 700, 800, 900]
    assert engine.current_name(indexes) == second
    assert answers(engine, indexes) == [hit.id for hit in search.find(QUERY).hits]


def test_a_batch_that_is_sent_twice_is_there_once(engine, indexes, monkeypatch):
    name = current_name(indexes)
    lost: list[str] = []
    call = engine.connection.call

    def forgetful(method: str, /, *args: Any, **kwargs: Any) -> Any:
        found = call(method, *args, **kwargs)
        if method == "upsert" and not lost:
            lost.append(method)
            raise EngineUnavailable("Milvus did not answer within 1 s")
        return found

    monkeypatch.setattr(engine.connection, "call", forgetful)
    monkeypatch.setattr(loading, "PAUSES_S", (0.0,))
    Publisher(engine, indexes).publish(name)
    assert lost == ["upsert"]
    assert Publisher(engine, indexes).check(name) == name


@pytest.mark.parametrize("cut_at", ["flush", "the mark of a whole collection", "the switch"])
def test_a_first_publication_that_is_cut_anywhere_shows_nothing_and_can_be_repeated(
    engine, indexes, monkeypatch, cut_at
):
    name = current_name(indexes)

    def cut(method: str, args: Any) -> None:
        here = method
        if method == "create_alias":
            here = "the switch" if args[1] == engine.prefix else "the mark of a whole collection"
        if here == cut_at:
            raise EngineUnavailable("Milvus cannot be reached")

    with monkeypatch.context() as patch:
        spy_on(patch, engine, cut)
        with pytest.raises(EngineUnavailable):
            Publisher(engine, indexes).publish(name)
    with pytest.raises(VersionNotFound, match="no index version is published on Milvus"):
        engine.current_name(indexes)
    Publisher(engine, indexes).publish(name)
    assert engine.current_name(indexes) == name


def test_a_rollback_serves_the_version_before_and_then_there_is_none(engine, indexes):
    first, second = current_name(indexes), second_version(indexes, "29990101T000000Z")
    publisher = Publisher(engine, indexes)
    publisher.publish(first)
    publisher.publish(second)
    assert engine_history(indexes, "milvus-publishing") == [first, second]
    assert publisher.rollback() == first
    assert engine.current_name(indexes) == first
    assert engine_history(indexes, "milvus-publishing") == [first]
    with pytest.raises(VersionError, match="no earlier version"):
        publisher.rollback()


def test_a_rollback_to_collections_that_are_gone_or_short_changes_nothing(engine, indexes):
    first, second = current_name(indexes), second_version(indexes, "29990101T000000Z")
    publisher = Publisher(engine, indexes)
    publisher.publish(first)
    publisher.publish(second)
    collection = collections.name_collection("publishing", first, "tracks")
    engine.connection.call("delete", collection, filter="row in [7]")
    with pytest.raises(EngineMismatch, match="rows, not"):
        publisher.rollback()
    engine.connection.call("drop_collection", collection)
    with pytest.raises(EngineMismatch):
        publisher.rollback()
    assert engine.current_name(indexes) == second
    assert engine_history(indexes, "milvus-publishing") == [first, second]


def test_pruning_keeps_what_is_served_and_was_served_before_and_drops_half_loaded_ones(
    engine, indexes, monkeypatch
):
    names = [current_name(indexes), *(second_version(indexes, f"2999010{n}T000000Z") for n in range(1, 4))]
    publisher = Publisher(engine, indexes)
    for name in names[:3]:
        publisher.publish(name)

    def cut(method: str, args: Any) -> None:
        if method == "flush":
            raise EngineUnavailable("Milvus cannot be reached")

    with monkeypatch.context() as patch:
        spy_on(patch, engine, cut)
        with pytest.raises(EngineUnavailable):
            Publisher(engine, indexes).publish(names[3])
    assert publisher.states() == dict(zip(names, [True, True, True, False], strict=True))
    engine.connection.call("create_collection", "publishing_notes_movies", dimension=4)
    assert publisher.prune(0) == [names[0], names[3]]
    assert publisher.states() == dict.fromkeys(names[1:3], True)
    assert engine.connection.call("has_collection", "publishing_notes_movies")
    assert engine.current_name(indexes) == names[2]


def test_pruning_folders_keeps_those_that_milvus_serves(engine, indexes):
    first, second = current_name(indexes), second_version(indexes, "19990101T000000Z")
    publisher = Publisher(engine, indexes)
    publisher.publish(second)
    others = [second_version(indexes, f"1999020{n}T000000Z") for n in range(1, 4)]
    assert prune(indexes, 0) == others
    assert (indexes / second).is_dir()
    assert (indexes / first).is_dir()


def test_a_version_that_finds_pairs_worse_is_refused_unless_forced(engine, indexes):
    def worsen(manifest: dict[str, Any]) -> None:
        for way in ("song_to_film", "film_to_song"):
            manifest["relevance"][way]["median_percentile"]["value"] += 30

    first, worse = current_name(indexes), second_version(indexes, "29990101T000000Z", worsen)
    publisher = Publisher(engine, indexes)
    publisher.publish(first)
    with pytest.raises(VersionWorse, match="median_percentile"):
        publisher.publish(worse)
    assert publisher.states() == {first: True}
    publisher.publish(worse, force=True)
    assert engine.current_name(indexes) == worse


def test_a_damaged_version_is_not_loaded(engine, indexes):
    name = current_name(indexes)
    moods = indexes / name / "movies.mood.npy"
    content = moods.read_bytes()
    moods.unlink()
    moods.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(VersionDamaged, match="altered"):
        Publisher(engine, indexes).publish(name)
    assert Publisher(engine, indexes).states() == {}


def test_collections_of_another_version_of_that_name_are_replaced_unless_they_are_served(engine, indexes):
    first = current_name(indexes)
    second = second_version(indexes, "29990101T000000Z")
    publisher = Publisher(engine, indexes)
    publisher.publish(first)
    publisher.publish(second)
    publisher.publish(first)
    shutil.rmtree(indexes / second)
    second_version(indexes, second, lambda manifest: manifest["build"].update(made="anew"))
    with pytest.raises(EngineMismatch, match="made from another version"):
        engine.open_version(indexes, second)
    publisher.publish(second)
    assert engine.current_name(indexes) == second
    shutil.rmtree(indexes / second)
    second_version(indexes, second, lambda manifest: manifest["build"].update(made="once more"))
    with pytest.raises(EngineMismatch, match="is served"):
        publisher.publish(second)


@pytest.mark.parametrize("kind", ["hnsw", "ivf_flat"])
def test_an_approximate_index_reaches_its_recall_and_pages_hold_every_row_once(
    engine, indexes, kind, search, monkeypatch
):
    monkeypatch.setattr(widths, "QUERIES", 6)
    name = current_name(indexes)
    Publisher(engine, indexes).publish(name, kind)
    assert {engine.held(name, medium).index.kind for medium in MEDIA} == {kind}
    opened = Search(engine.open_version(indexes, name))
    try:
        hits = 0
        for text in ("rain", "a war film", "summer love", "fast cars", "the sea at night"):
            query = Query("tracks", text=text)
            found = {hit.id for hit in opened.find(query).hits}
            hits += len(found & {hit.id for hit in search.find(query).hits})
        assert hits >= 49
        pages = [
            opened.find(Query("tracks", text="rain", offset=offset, limit=limit, explain=False)).hits
            for offset, limit in ((0, 60), (60, 200), (260, 725))
        ]
        ids = [hit.id for page in pages for hit in page]
        assert len(set(ids)) == len(ids) == 985
    finally:
        opened.close()


def test_other_vectors_than_the_version_s_are_not_published(engine, indexes, monkeypatch, search):
    written = collections.RowWriter.write

    def wrong(self: Any, start: int, vectors: Any) -> Any:
        return written(self, start, np.roll(vectors, 1, axis=0))

    monkeypatch.setattr(collections.RowWriter, "write", wrong)
    with pytest.raises(EngineMismatch, match="other vectors"):
        Publisher(engine, indexes).publish(current_name(indexes))
    with pytest.raises(VersionNotFound):
        engine.current_name(indexes)
