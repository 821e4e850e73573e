"""The evaluation over a whole index version: what is read, left out, compared and said."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from indexer import index_version as versions
from indexer import methods, metrics
from indexer.catalogue.records import Movie, Track
from indexer.errors import ConfigError, InputError, MissingColumn, UnreadableFile, VersionDamaged
from indexer.evaluation_inputs import Contents, EvaluationFiles, SegueMethod
from indexer.evaluation_results import Direction, Settings
from indexer.evaluation_run import Run, run_evaluation
from indexer.index_version import IndexVersion, open_version
from indexer.methods.popularity import Popularity
from indexer.methods.spotiflix_clusters import SpotiflixClusters
from indexer.title_lookup import make_key
from server.search import Query, Search

QUICK = Settings(draws=20, flips=100, random_queries=30)
SIZES = {"movies": 370, "tracks": 985}

Remake = Callable[..., IndexVersion]


@pytest.fixture(scope="module")
def base(starter_indexes: Path) -> Iterator[IndexVersion]:
    version = open_version(starter_indexes)
    yield version
    version.close()


@pytest.fixture
def remake(base: IndexVersion, tmp_path: Path) -> Iterator[Remake]:
    """Open a copy of the starter version without methods and training but for what is given.

    ``write`` puts files into its folder.
    """
    opened: list[IndexVersion] = []

    def make(write: Callable[[Path], None] = lambda _: None, **manifest: Any) -> IndexVersion:
        folder = tmp_path / "indexes" / "making"
        shutil.copytree(base.folder, folder)
        told = {k: v for k, v in base.manifest.items() if k not in ("format", "files", "methods", "training")}
        for file in (versions.MANIFEST, versions.SEAL):
            (folder / file).unlink(missing_ok=True)
        shutil.rmtree(folder / versions.METHODS, ignore_errors=True)
        write(folder)
        opened.append(open_version(folder.parent, versions.seal(folder, told | manifest, "made")))
        return opened[-1]

    yield make
    for version in opened:
        version.close()


def ids(version: IndexVersion, medium: Any, rows: Sequence[int]) -> list[str]:
    return version.store.ids(medium, rows)


def write_csv(path: Path, header: str, lines: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(), *lines])
    return path


@pytest.fixture
def pairs_file(base: IndexVersion, tmp_path: Path) -> Path:
    """The pairs (film row, song row): (0, 0), (1, 1), (2, 2), (3, 3)."""
    lines = zip(ids(base, "movies", range(4)), ids(base, "tracks", range(4)), strict=True)
    return write_csv(tmp_path / "pairs.csv", "tmdb_id track_id", list(lines))


def directions(run: Run) -> dict[tuple[str, str], Direction]:
    return {(d.method, d.target): d for d in run.evaluation.directions if isinstance(d, Direction)}


def write_popularity(folder: Path) -> None:
    """Row 1 is the best-known film and song, then row 3; the rest fall from row 0 to the last, all above 0."""
    known = {medium: np.linspace(0.5, 0.1, size).astype(np.float32) for medium, size in SIZES.items()}
    for values in known.values():
        values[[1, 3]] = [9, 8]
    Popularity(known).write(folder / versions.METHODS / "popularity")


HAS_POPULARITY = {"popularity": {"about": "", "seconds": 0.0, "facts": {}}}


# --- Segue as a method ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [("tracks", "movies"), ("movies", "tracks")])
def test_segue_in_the_evaluation_is_segue_in_search(
    base: IndexVersion, search: Search, source: Any, target: Any
) -> None:
    method = SegueMethod(base)
    scores = method.scores(source, np.array([5, 40]), target)
    assert scores.dtype == np.float32
    for line, id in zip(scores, ids(base, source, [5, 40]), strict=True):
        hits = search.find(Query(target, limit=10, unique=False, **{source: (id,)})).hits
        rows = base.store.rows(target, [hit.id for hit in hits])
        np.testing.assert_allclose(line[rows], [hit.raw_score for hit in hits], atol=1e-5)
        np.testing.assert_allclose(np.sort(line)[::-1][:10], [hit.raw_score for hit in hits], atol=1e-5)
        said = method.probability(target)(line[rows])
        np.testing.assert_allclose(said, [hit.score for hit in hits], atol=1e-5)


def test_segue_scores_texts_as_search_does(base: IndexVersion, search: Search) -> None:
    scores = SegueMethod(base).score_texts(["a lonely ship", "wild dancing"], "tracks")
    assert scores.shape == (2, SIZES["tracks"])
    hits = search.find(Query("tracks", text="wild dancing", limit=10)).hits
    rows = base.store.rows("tracks", [hit.id for hit in hits])
    np.testing.assert_allclose(scores[1, rows], [hit.raw_score for hit in hits], atol=1e-5)


class _Index(SimpleNamespace):
    def vectors(self, rows: Sequence[int]) -> np.ndarray:
        return np.asarray(self.items, dtype=np.float32)[list(rows)]


def test_scores_are_inner_products_and_each_direction_has_its_curve() -> None:
    films, songs = [[1, 0], [0, 1], [2, 2]], [[1, 0], [0, 3]]
    curves = {("tracks", "movies"): np.sqrt, ("movies", "tracks"): np.square}
    space = SimpleNamespace(
        queries=lambda items: 10 * items,
        curve_for=lambda source, target: SimpleNamespace(apply=curves[source, target]),
    )
    version: Any = SimpleNamespace(
        space=space,
        indexes={"movies": _Index(size=3, items=films), "tracks": _Index(size=2, items=songs)},
    )
    method = SegueMethod(version)
    assert method.scores("tracks", np.array([1, 0]), "movies").tolist() == [[0, 30, 60], [10, 0, 20]]
    assert method.scores("movies", np.array([2]), "tracks").tolist() == [[20, 60]]
    assert method.probability("movies")(np.array([0.25])).tolist() == [0.5]
    assert method.probability("tracks")(np.array([0.5])).tolist() == [0.25]


# --- methods and pairs ---------------------------------------------------------------------------------------


def test_figures_of_a_method_are_those_of_its_ranks(remake: Remake, pairs_file: Path) -> None:
    version = remake(write_popularity, methods=HAS_POPULARITY)
    run = run_evaluation(version, EvaluationFiles(pairs_file), ["popularity"], QUICK)
    # Rows 0 to 3 have ranks 3, 1, 4 and 2 in either direction.
    for target in ("movies", "tracks"):
        found = directions(run)["popularity", target]
        assert found.gallery == SIZES[target]
        assert found.recall["1"].value == 0.25
        assert found.recall["10"].value == 1.0
        assert found.mrr.value == pytest.approx((1 / 3 + 1 + 1 / 4 + 1 / 2) / 4)
        assert found.median_percentile.value == pytest.approx(100 * 1.5 / (SIZES[target] - 1))
        assert found.lists.lists == 30
        assert found.lists.largest_hub.value == 1.0
        assert found.calibration is None
    assert run.evaluation.settings == QUICK
    assert run.evaluation.facts == {"popularity": {"unknown": {"movies": 0, "tracks": 0}}}


def test_all_methods_that_are_there_are_compared_and_the_others_named(
    remake: Remake, pairs_file: Path
) -> None:
    version = remake(
        write_popularity, methods={**HAS_POPULARITY, "collaborative": {"missing": "no ratings were given"}}
    )
    run = run_evaluation(version, EvaluationFiles(pairs_file), ["all"], QUICK)
    assert set(directions(run)) == {
        (method, target) for method in ("segue", "popularity") for target in ("movies", "tracks")
    }
    assert run.missing["collaborative"] == "no ratings were given"
    assert run.missing["crosstune"] == "it was built without this method"
    assert set(run.missing) == set(methods.names()) - {"popularity"}
    assert "collaborative: not in this version: no ratings were given" in run.to_text()
    assert run.to_dict()["missing"]["collaborative"] == "no ratings were given"
    first, second = run.evaluation.comparisons
    assert (first.reference, first.method, first.target, second.target) == (
        "segue",
        "popularity",
        "movies",
        "tracks",
    )
    assert [first.p_holm, second.p_holm] == metrics.holm([first.p, second.p])
    assert all(found.calibration for (method, _), found in directions(run).items() if method == "segue")


def test_a_method_that_is_named_must_be_in_the_version(remake: Remake, pairs_file: Path) -> None:
    version = remake(methods={"collaborative": {"missing": "no ratings were given"}})
    files = EvaluationFiles(pairs_file)
    with pytest.raises(ConfigError, match="collaborative is not in the version made: no ratings were given"):
        run_evaluation(version, files, ["collaborative"], QUICK)
    with pytest.raises(ConfigError, match="random is not in the version made: it was built without"):
        run_evaluation(version, files, ["random"], QUICK)
    with pytest.raises(ConfigError, match="unknown method 'segu'"):
        run_evaluation(version, files, ["segu"], QUICK)
    with pytest.raises(ConfigError, match="no method to evaluate"):
        run_evaluation(version, files, ["none"], QUICK)


def test_unmatched_and_repeated_pairs_are_counted(remake: Remake, base: IndexVersion, tmp_path: Path) -> None:
    film, song = ids(base, "movies", [0])[0], ids(base, "tracks", [0])[0]
    lines = [(film, song), (film, song), ("nowhere", song), (film, "unheard"), ("nowhere", "unheard")]
    path = write_csv(tmp_path / "known.csv", "tmdb_id track_id", lines)
    run = run_evaluation(remake(), EvaluationFiles(path), ["segue"], QUICK)
    assert run.evaluation.pairs["unmatched_lines"] == 3
    assert run.remarks[0] == (
        "known.csv: 5 lines; 3 unmatched (1 film and 1 song ids not in this version), 1 repeated; 1 pairs"
    )
    assert run.remarks[1] == "this version names no pairs that it was trained on: none is left out"


def test_a_song_is_found_by_its_other_ids_too() -> None:
    songs = [
        Track("a", "First", other_ids=("x", "b")),
        Track("b", "Second", other_ids=("x", "y")),
    ]
    store = SimpleNamespace(
        count=lambda medium: 2 if medium == "tracks" else 1,
        movies=lambda rows: [Movie("f", "Film")],
        tracks=lambda rows: [songs[row] for row in rows],
    )
    version: Any = SimpleNamespace(store=store)
    # An id of its own goes before another's second id, and of two claims the first is kept.
    rows = Contents(version).rows
    assert rows == {"movies": {"f": 0}, "tracks": {"a": 0, "b": 1, "x": 0, "y": 1}}


# --- what a version was trained on ---------------------------------------------------------------------------


@pytest.fixture
def trained(base: IndexVersion) -> dict[str, list[str]]:
    """The film of row 0, and an artist of song 2 as folded for look-up, are trained on."""
    song = base.store.tracks([2])[0]
    others = {artist for track in base.store.tracks([0, 1, 3]) for artist in track.artists}
    assert not others & set(song.artists)
    return {"movies": ids(base, "movies", [0]), "artists": [make_key(song.artists[0])]}


def test_pairs_that_the_version_was_trained_on_are_left_out(
    remake: Remake, pairs_file: Path, trained: dict[str, list[str]]
) -> None:
    version = remake(training=trained)
    run = run_evaluation(version, EvaluationFiles(pairs_file), ["segue"], QUICK)
    assert directions(run)["segue", "movies"].pairs == 2
    assert run.evaluation.pairs["pairs"] == 2
    assert run.remarks[-1] == (
        "2 of these pairs left out because this version was trained on their film (1) or an artist of theirs (1)"
    )
    assert run.trained_pairs_kept == 0


def test_artists_are_met_however_they_were_folded(remake: Remake, base: IndexVersion, tmp_path: Path) -> None:
    tracks = base.store.tracks(range(SIZES["tracks"]))
    row = next(
        r for r, t in enumerate(tracks) if t.artists and make_key(t.artists[0]) != t.artists[0].casefold()
    )
    name = tracks[row].artists[0]
    other = next(r for r, track in enumerate(tracks) if not set(track.artists) & set(tracks[row].artists))
    lines = zip(ids(base, "movies", [0, 1]), ids(base, "tracks", [row, other]), strict=True)
    files = EvaluationFiles(write_csv(tmp_path / "pairs.csv", "tmdb_id track_id", list(lines)))
    version = remake(training={"movies": [], "artists": [make_key(name)]})
    assert run_evaluation(version, files, ["segue"], QUICK).evaluation.pairs["pairs"] == 1


def test_trained_pairs_that_are_kept_are_said_loudly_everywhere(
    remake: Remake, pairs_file: Path, trained: dict[str, list[str]], tmp_path: Path
) -> None:
    version = remake(training=trained)
    run = run_evaluation(version, EvaluationFiles(pairs_file), ["segue"], QUICK, keep_trained=True)
    assert directions(run)["segue", "movies"].pairs == 4
    warning = "WARNING: 2 of the 4 pairs are of films or artists that this version was trained on"
    run.write(tmp_path / "run.json", tmp_path / "run.html")
    told = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert told["trained_pairs_kept"] == 2
    assert [remark for remark in told["remarks"] if remark.startswith(warning)]
    assert warning in run.to_text().splitlines()[1]
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert f"<li>{warning}" in page
    assert page.count("</h1>") == 1
    assert page.endswith("</html>\n")


def test_no_pair_left_says_what_to_do(
    remake: Remake, base: IndexVersion, pairs_file: Path, tmp_path: Path
) -> None:
    version = remake(training={"movies": ids(base, "movies", range(4)), "artists": []})
    with pytest.raises(InputError, match=r"no pair is left.*--keep-trained"):
        run_evaluation(version, EvaluationFiles(pairs_file), ["segue"], QUICK)
    run = run_evaluation(version, EvaluationFiles(pairs_file), ["segue"], QUICK, keep_trained=True)
    assert (run.trained_pairs_kept, directions(run)["segue", "movies"].pairs) == (4, 4)


def test_a_file_that_the_version_was_built_from_is_said(remake: Remake, pairs_file: Path) -> None:
    source = {
        "what": "soundtracks",
        "file": "x.csv",
        "size_bytes": 1,
        "sha256": versions.hash_file(pairs_file),
    }
    run = run_evaluation(remake(sources=[source]), EvaluationFiles(pairs_file), ["segue"], QUICK)
    assert "WARNING: pairs.csv is one of the files that this version was built from" in run.remarks


# --- a method that has heard the songs -----------------------------------------------------------------------


def write_clusters(folder: Path) -> None:
    """One cluster; its soundtracks are those of films 0 and 2. All songs are in it."""
    arrays = {
        "track_clusters": np.zeros(SIZES["tracks"], np.int64),
        "translation": np.zeros(1, np.int64),
        "distances": np.zeros((1, 1), np.float32),
        "film_rows": np.array([0, 2]),
        "film_starts": np.array([0, 1]),
        "film_clusters": np.array([0, 0]),
        "counts": np.array([SIZES["movies"], SIZES["tracks"]]),
    }
    (folder / versions.METHODS).mkdir()
    SpotiflixClusters(arrays, {"paper": {"silhouette": 0.13}, "films": [1, 2]}).write(
        folder / versions.METHODS / "spotiflix-clusters"
    )


def test_the_cluster_method_is_also_shown_on_films_it_does_not_know(remake: Remake, pairs_file: Path) -> None:
    version = remake(write_clusters, methods={"spotiflix-clusters": {"about": ""}})
    run = run_evaluation(version, EvaluationFiles(pairs_file), ["spotiflix-clusters"], QUICK)
    whole = directions(run)["spotiflix-clusters", "movies"]
    other = directions(run)["spotiflix-clusters, other films", "movies"]
    # Films 0 and 2 share the first place, at 1.5; films 1 and 3 share the last with all the others.
    assert (whole.pairs, whole.recall["10"].value) == (4, 0.5)
    assert (other.pairs, other.recall["10"].value) == (2, 0.0)
    remark = (
        "spotiflix-clusters: its soundtrack file names 2 of the films and may hold the very songs of 2 of the 4 pairs; "
        '"spotiflix-clusters, other films" stands for the 2 pairs of films that it does not name'
    )
    assert remark in run.remarks
    assert "spotiflix-clusters, other films  0.00" in run.to_text()
    page = run.to_html()
    assert "spotiflix-clusters, other films" in page
    assert "<div>films: 1, 2</div><div>paper, silhouette: 0.13</div>" in page
    assert run.to_dict()["facts"]["spotiflix-clusters"]["paper"] == {"silhouette": 0.13}
    assert not run.evaluation.comparisons


# --- labels --------------------------------------------------------------------------------------------------


def test_tags_and_emotion_words_are_asked_of_segue(
    remake: Remake, base: IndexVersion, pairs_file: Path, tmp_path: Path
) -> None:
    films, songs = ids(base, "movies", range(12)), ids(base, "tracks", range(12))
    tags = [(films[0], "Noir", 1), (films[0], "noir", 3), (films[1], "noir", 1), ("nowhere", "noir", 1)]
    words = [(song, "calm|sad" if at < 6 else "wild") for at, song in enumerate(songs)]
    files = EvaluationFiles(
        pairs_file,
        write_csv(tmp_path / "tags.csv", "tmdb_id tag count", tags),
        write_csv(tmp_path / "words.csv", "track_id emotion_tags", [*words, ("unheard", "calm")]),
    )
    version = remake()
    run = run_evaluation(version, files, ["segue"], QUICK)
    micro, _, word = run.evaluation.labels
    assert (micro.task, micro.method, micro.queries, micro.examples) == ("film tags", "segue", 1, 2)
    method = SegueMethod(version)
    line = method.score_texts(["noir"], "movies")[0]
    within = [float((line > line[row]).sum() < 100) for row in (0, 1)]
    assert micro.figure.value == pytest.approx(np.mean(within))
    # "calm" and "sad" are of the first six songs, "wild" of the others.
    asked = method.score_texts(["calm", "sad", "wild"], "tracks")[:, :12]
    first = np.arange(12) < 6
    areas = [metrics.auc(asked[0], first), metrics.auc(asked[1], first), metrics.auc(asked[2], ~first)]
    assert (word.queries, word.examples, word.gallery) == (3, 18, 12)
    assert word.figure.value == pytest.approx(np.mean(areas))
    assert "tags.csv: 2 (film, tag) pairs of 4 lines; the rest unmatched or repeated" in run.remarks
    assert "words.csv: 12 songs of 13 lines; the rest unmatched or repeated" in run.remarks


def _write_moods(folder: Path) -> None:
    """Valence 0.2 and 0.6 by turns, so −1 and 1 standardised, energy always 0.5; nothing is known of song 3."""
    moods = np.full((SIZES["tracks"], 2), 0.5, dtype=np.float32)
    known = np.delete(np.arange(SIZES["tracks"]), 3)
    moods[known[::2], 0], moods[known[1::2], 0] = 0.2, 0.6
    moods[3] = np.nan
    np.save(folder / versions.mood_file("tracks"), moods)


def _emotions(base: IndexVersion, path: Path) -> Path:
    """Songs 0 to 3 of valence −1 and 1 by turns, and arousal 0 to 3; song 4 is for training."""
    songs = ids(base, "tracks", range(5))
    lines = [
        (song, (-1) ** (row + 1), row, "train" if row == 4 else "test") for row, song in enumerate(songs)
    ]
    return write_csv(path, "track_id valence arousal split", [*lines, ("unheard", 1, 1, "test")])


def test_valence_and_arousal_are_those_of_the_version(
    remake: Remake, base: IndexVersion, pairs_file: Path, tmp_path: Path
) -> None:
    files = EvaluationFiles(pairs_file, song_emotions=_emotions(base, tmp_path / "labels.csv"))
    run = run_evaluation(remake(_write_moods), files, ["segue"], QUICK)
    valence, arousal = run.evaluation.labels
    assert (valence.task, valence.examples) == ("valence", 3)
    assert valence.figure.value == pytest.approx(1.0)
    # Labels 0, 1, 2 against 0, for all songs are alike: squares 0 + 1 + 4 over a total of 2.
    assert (arousal.task, arousal.figure.value) == ("arousal", pytest.approx(1 - 5 / 2))
    assert run.remarks[-1] == (
        "labels.csv: 3 songs; of 6 lines 1 are for training, the rest unmatched or repeated; "
        "1 songs have no prediction"
    )


def test_moods_of_another_catalogue_are_refused(remake: Remake) -> None:
    with pytest.raises(VersionDamaged, match=r"tracks\.mood\.npy holds 7 tracks"):
        remake(lambda folder: np.save(folder / versions.mood_file("tracks"), np.zeros((7, 2), np.float32)))


@pytest.mark.parametrize("kind", ["movie_tags", "emotion_words", "song_emotions"])
def test_unusable_label_files_are_told(remake: Remake, pairs_file: Path, tmp_path: Path, kind: str) -> None:
    version = remake()
    other = write_csv(tmp_path / "other.csv", "tmdb_id track_id tag", [("nowhere", "unheard", "noir")])
    expected = (
        (InputError, "none of its tagged films") if kind == "movie_tags" else (MissingColumn, "no column")
    )
    with pytest.raises(expected[0], match=expected[1]):
        run_evaluation(version, EvaluationFiles(pairs_file, **{kind: other}), ["segue"], QUICK)
    with pytest.raises(UnreadableFile, match=r"absent\.csv cannot be read"):
        run_evaluation(
            version, EvaluationFiles(pairs_file, **{kind: tmp_path / "absent.csv"}), ["segue"], QUICK
        )
