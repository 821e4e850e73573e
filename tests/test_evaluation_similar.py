"""Songs to songs by proxies: what counts as alike, what is left out, and who cannot answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from flask.testing import FlaskClient

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.catalogue.records import Medium, Track
from indexer.errors import UnsupportedQuery
from indexer.evaluation_inputs import EvaluationFiles
from indexer.evaluation_results import LabelFigure, Settings
from indexer.evaluation_run import run_evaluation
from indexer.evaluation_similar import CHANCE, SAME_ARTIST, SHARED_TAGS, evaluate_similar
from indexer.index_version import open_version
from indexer.methods.lyrics_cover import LyricsCover, Part
from server.app import create_app
from server.search import Search
from server.settings import Settings as ServerSettings

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

SETTINGS = Settings(draws=20, flips=50, random_queries=30, list_length=2)


class Given:
    """A scorer of one matrix; films are refused."""

    def __init__(self, scores: Floats) -> None:
        self._scores = scores

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        if (source, target) != ("tracks", "tracks"):
            raise UnsupportedQuery("songs only", "target")
        return self._scores[rows].copy()


class Across:
    """A scorer that songs to songs is nothing for."""

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        raise UnsupportedQuery("from films to songs only", "target")


#: Songs 0, 1 and 2 are Ann's (2 is 0 again), 3 and 4 Bob's, 5 nobody's, 6 is not known to the method.
TRACKS = [
    Track("t0", "Rain", ("Ann", "Bob"), tags=("wet", "slow")),
    Track("t1", "Sun", ("ANN",), tags=("wet",)),
    Track("t2", "Rain", ("Ann",)),
    Track("t3", "Moon", ("Bob",), tags=("Slow",), genres=("wet",)),
    Track("t4", "Star", ("Bob",)),
    Track("t5", "Song", ()),
    Track("t6", "Gone", ("Ann",), tags=("wet",)),
]
KNOWN = np.array([True] * 6 + [False])


def value(figures: list[LabelFigure], task: str, method: str) -> LabelFigure:
    (found,) = [each for each in figures if (each.task, each.method) == (task, method)]
    return found


def near(*lists: list[int]) -> Given:
    """Songs in the order in which each query has them."""
    scores = np.full((7, 7), -5, dtype=np.float32)
    for query, items in enumerate(lists):
        scores[query, items] = np.arange(len(items), 0, -1)
    # What is not known to the method that is asked for is never listed, however near.
    scores[:, 6] = 99
    return Given(scores)


def test_lists_are_measured_by_artists_and_tags() -> None:
    scorer = near([2, 1, 3], [0, 2], [1, 3], [4, 0], [0, 1], [0, 1])
    figures, remarks = evaluate_similar({"ours": scorer}, TRACKS, KNOWN, SETTINGS)
    # Asked with 0 … 4. Of song 0: song 2 is left out for its title, and of 1 and 3 one is Ann's. So 1/2, 2/2 for
    # song 1, 1/2 for song 2, 1/2 for song 3 (of 4 and 0), 0 for song 4.
    artists = value(figures, SAME_ARTIST, "ours")
    assert artists.figure.value == pytest.approx((0.5 + 1 + 0.5 + 0.5 + 0) / 5)
    assert (artists.measure, artists.gallery, artists.queries) == ("share@2", 6, 5)
    # Of 4 others of song 0 (1, 3, 4, 5) one is Ann's; 2 of 5 for song 1; 1 of 4 for song 2; 1 of 5 for 3 and 4.
    chance = value(figures, SAME_ARTIST, CHANCE)
    assert chance.figure.value == pytest.approx((0.25 + 0.4 + 0.25 + 0.2 + 0.2) / 5)
    # Asked with 0, 1 and 3, without their artists' songs. 0: 3 and the first of the rest (4), so (1 + 0) / 2;
    # 1: 3 (1/2) and 4; 3: 0 (1) and the first of the rest (1 at 1/2).
    tags = value(figures, SHARED_TAGS, "ours")
    assert tags.figure.value == pytest.approx((0.5 + 0.25 + 0.75) / 3)
    assert (tags.measure, tags.queries) == ("Jaccard@2", 3)
    assert remarks == [
        "song → song: no pairs are known; the same artist and shared tags stand in, among the 6 songs with lyrics or a "
        "cover; methods that read artists or tags themselves are flattered"
    ]


def test_what_songs_to_songs_is_nothing_for_says_so() -> None:
    figures, remarks = evaluate_similar({"far": Across()}, TRACKS, KNOWN, SETTINGS)
    assert {each.method for each in figures} == {CHANCE}
    assert remarks[-1] == "song → song: far does not answer: from films to songs only"


def test_too_few_songs_are_said_and_not_measured() -> None:
    lone = [Track(f"t{at}", f"Title {at}", (f"Artist {at}",)) for at in range(7)]
    figures, remarks = evaluate_similar({"ours": near()}, lone, KNOWN, SETTINGS)
    assert figures == []
    assert remarks == [
        f"{task}: fewer than two songs to ask with, not measured" for task in (SAME_ARTIST, SHARED_TAGS)
    ]


# --- a whole version -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def indexes(starter_indexes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter version with the method put in: lyrics for 40 songs, the last of which is as the first."""
    copy = tmp_path_factory.mktemp("similar") / "indexes"
    shutil.copytree(starter_indexes, copy)
    folder = copy / index_folder.current_name(copy)
    manifest = json.loads((folder / versions.MANIFEST).read_text(encoding="utf-8"))
    vectors = np.random.default_rng(0).normal(size=(40, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[39] = vectors[0]
    empty = Part(np.zeros(0, np.int64), np.zeros((0, 0), np.float16))
    lyrics = Part(np.arange(40), vectors.astype(np.float16))
    method = LyricsCover({"lyrics": lyrics, "covers": empty}, 985, {"songs": 985})
    made = copy / "making"
    shutil.copytree(folder, made)
    for file in (versions.MANIFEST, versions.SEAL):
        (made / file).unlink()
    method.write(made / versions.METHODS / method.name)
    told = {name: fact for name, fact in manifest.items() if name not in ("format", "files")}
    told["methods"] = {method.name: {"about": method.about, "seconds": 0.0, "facts": dict(method.facts)}}
    publication.publish(copy, versions.seal(made, told, "with-lyrics"), force=True)
    return copy


@pytest.fixture(scope="module")
def client(indexes: Path) -> Iterator[FlaskClient]:
    search = Search.open(indexes)
    yield create_app(ServerSettings(), search).test_client()
    search.close()


def test_the_api_answers_songs_with_songs_and_says_what_it_cannot(client: FlaskClient, indexes: Path) -> None:
    version = open_version(indexes)
    ids = version.store.ids("tracks", [0, 39, 40])
    version.close()
    asked = {"target": "tracks", "tracks": [ids[0]], "method": "lyrics-cover", "limit": 1}
    reply = client.post("/v1/search", json=asked)
    assert reply.status_code == 200
    (hit,) = reply.get_json()["results"]
    assert (hit["id"], round(hit["raw_score"], 2)) == (ids[1], 1.0)
    assert hit["reasons"][0]["term"] == "lyrics-cover"
    for changed, field, said in (
        ({"tracks": [ids[2]]}, "tracks", "neither lyrics nor a cover of this song"),
        ({"target": "movies"}, "target", "from songs to songs"),
    ):
        reply = client.post("/v1/search", json=asked | changed)
        assert (reply.status_code, reply.mimetype) == (422, "application/problem+json")
        (error,) = reply.get_json()["errors"]
        assert (error["field"], said in error["message"]) == (field, True)


def test_the_evaluation_measures_it_and_says_what_it_does_not_answer(indexes: Path, tmp_path: Path) -> None:
    version = open_version(indexes)
    pairs = tmp_path / "pairs.csv"
    lines = zip(version.store.ids("movies", range(3)), version.store.ids("tracks", range(3)), strict=True)
    pairs.write_text(
        "\n".join(["tmdb_id,track_id", *(",".join(line) for line in lines)]) + "\n", encoding="utf-8"
    )
    try:
        run = run_evaluation(version, EvaluationFiles(pairs), ["segue", "lyrics-cover"], SETTINGS, True)
    finally:
        version.close()
    refused = [
        (d.source, d.target)
        for d in run.evaluation.directions
        if d.method == "lyrics-cover" and not d.supported
    ]
    assert refused == [("tracks", "movies"), ("movies", "tracks")]
    measured = {each.method: each.gallery for each in run.evaluation.labels if each.task == SHARED_TAGS}
    assert measured == {CHANCE: 40, "segue": 40, "lyrics-cover": 40}
    assert "song → film: lyrics-cover does not answer: lyrics-cover goes from songs to songs" in run.to_text()
    assert "lyrics-cover" in run.to_html()
