"""Collaborative filtering on two groups of people who watch different films."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import MissingColumn, MissingMaterial, UnreadableFile
from indexer.methods.collaborative import Collaborative
from indexer.methods.method import Material

MakeMaterial = Callable[..., Material]

FIRST, SECOND, UNRATED = [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]
#: (person, film row, rating): even people watch the first four films, odd ones the next four; each skips one.
RATINGS = [
    (person, film, 5.0)
    for person in range(40)
    for film in (FIRST if person % 2 == 0 else SECOND)
    if film % 4 != person // 2 % 4
]


def write(path: Path, header: str, rows: Sequence[tuple[object, ...]]) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def fit(make_material: MakeMaterial) -> Callable[[Path], Collaborative]:
    return lambda path: Collaborative.fit(make_material([{}] * 10, [{}], files={"ratings": path}))


def by_tmdb(tmp_path: Path, ratings: Sequence[tuple[object, ...]] = RATINGS) -> Path:
    rows = [(person, f"m{film}", rating) for person, film, rating in ratings]
    return write(tmp_path / "by_tmdb.csv", "userId,tmdb_id,rating", rows)


def test_films_of_the_same_people_are_near(make_material: MakeMaterial, tmp_path: Path) -> None:
    # Two hundred films, more than there are factors: people watch nine in ten of the even ones or of the odd ones.
    watched = np.random.default_rng(1).random((200, 200)) < 0.9
    ratings = [(p, f, 4.0) for p in range(200) for f in range(p % 2, 200, 2) if watched[p, f]]
    method = Collaborative.fit(make_material([{}] * 200, [{}], files={"ratings": by_tmdb(tmp_path, ratings)}))
    scores = method.scores("movies", np.arange(200), "movies")
    np.testing.assert_allclose(np.diag(scores), 1, rtol=1e-5)
    same = np.arange(200)[:, None] % 2 == np.arange(200) % 2
    # Most of fifty factors fit chance here, so single films may stray; the two tastes still stand apart.
    assert scores[same & ~np.eye(200, dtype=np.bool_)].mean() > scores[~same].mean() + 0.1


def test_with_as_many_factors_as_tastes_a_taste_is_one_direction(
    fit: Callable[[Path], Collaborative], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.methods.collaborative._FACTORS", 2)
    scores = fit(by_tmdb(tmp_path)).scores("movies", np.arange(8), "movies")
    for group, others in ((FIRST, SECOND), (SECOND, FIRST)):
        assert scores[np.ix_(group, group)].min() > 0.95
        assert scores[np.ix_(group, others)].max() < 0.5


def test_unrated_films_score_lowest_and_say_nothing(
    fit: Callable[[Path], Collaborative], tmp_path: Path
) -> None:
    scores = fit(by_tmdb(tmp_path)).scores("movies", np.arange(10), "movies")
    assert scores[:, UNRATED].tolist() == [[-1, -1]] * 10
    assert scores[UNRATED].tolist() == [[-1] * 10] * 2
    assert scores[:8, :8].min() > -1


def test_facts_count_what_was_read(fit: Callable[[Path], Collaborative], tmp_path: Path) -> None:
    # Two of unknown films, one twice, one of 0 and one without a value.
    method = fit(by_tmdb(tmp_path, [*RATINGS, (1, 77, 4.0), (2, 78, 4.0), RATINGS[0], (0, 8, 0), (0, 9, "")]))
    assert method.facts == {
        "ratings_read": 125,
        "ratings_used": 120,
        "people": 40,
        "films_rated": 8,
        "films_unrated": 2,
    }


def test_movielens_ids_go_through_its_links(fit: Callable[[Path], Collaborative], tmp_path: Path) -> None:
    write(
        tmp_path / "links.csv",
        "movieId,imdbId,tmdbId",
        [*((100 + film, 7, f"m{film}") for film in range(8)), (200, 7, ""), (201, 7, "m999")],
    )
    rows = [(person, 100 + film, rating, 1) for person, film, rating in RATINGS] + [(0, 200, 3.0, 1)]
    movielens = fit(write(tmp_path / "ratings.csv", "userId,movieId,rating,timestamp", rows))
    np.testing.assert_array_equal(
        movielens.scores("movies", np.arange(10), "movies"),
        fit(by_tmdb(tmp_path)).scores("movies", np.arange(10), "movies"),
    )
    assert movielens.facts["ratings_read"] - movielens.facts["ratings_used"] == 1


def test_of_two_ratings_by_one_person_the_higher_counts(
    fit: Callable[[Path], Collaborative], tmp_path: Path
) -> None:
    twice = [*RATINGS, *((person, film, 1.0) for person, film, _ in RATINGS)]
    np.testing.assert_array_equal(
        fit(by_tmdb(tmp_path, twice)).scores("movies", np.arange(10), "movies"),
        fit(by_tmdb(tmp_path)).scores("movies", np.arange(10), "movies"),
    )


def test_rating_files_are_read_in_parts(
    fit: Callable[[Path], Collaborative], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(by_tmdb(tmp_path))
    monkeypatch.setattr("indexer.catalogue.movielens._CHUNK_ROWS", 7)
    parts = fit(by_tmdb(tmp_path))
    assert parts.facts == whole.facts
    np.testing.assert_array_equal(
        parts.scores("movies", np.arange(10), "movies"), whole.scores("movies", np.arange(10), "movies")
    )


def test_without_ratings_it_cannot_be_fitted(make_material: MakeMaterial) -> None:
    with pytest.raises(MissingMaterial, match="ratings"):
        Collaborative.fit(make_material([{}], [{}]))


def test_ratings_of_other_films_only_are_none(fit: Callable[[Path], Collaborative], tmp_path: Path) -> None:
    with pytest.raises(MissingMaterial, match=r"none of the 2 in .*by_tmdb\.csv"):
        fit(by_tmdb(tmp_path, [(1, 77, 4.0), (2, 78, 4.0)]))
    with pytest.raises(MissingMaterial, match=r"none of the 0 in .*by_tmdb\.csv"):
        fit(by_tmdb(tmp_path, []))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("tmdb_id,rating", "no column userId"),
        ("userId,tmdb_id", "no column rating"),
        ("userId,rating", "neither column tmdb_id nor movieId"),
    ],
)
def test_a_missing_column_is_named(
    fit: Callable[[Path], Collaborative], tmp_path: Path, header: str, message: str
) -> None:
    with pytest.raises(MissingColumn, match=message):
        fit(write(tmp_path / "ratings.csv", header, []))


def test_links_must_be_there_and_whole(fit: Callable[[Path], Collaborative], tmp_path: Path) -> None:
    ratings = write(tmp_path / "ratings.csv", "userId,movieId,rating", [(1, 100, 4.0)])
    with pytest.raises(UnreadableFile, match=r"links\.csv is missing"):
        fit(ratings)
    write(tmp_path / "links.csv", "movieId,imdbId", [(100, 7)])
    with pytest.raises(MissingColumn, match=r"links\.csv has no column tmdbId"):
        fit(ratings)


def test_a_file_that_is_no_table_is_told(fit: Callable[[Path], Collaborative], tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"none\.csv"):
        fit(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(UnreadableFile, match=r"empty\.csv"):
        fit(tmp_path / "empty.csv")
    words = write(tmp_path / "words.csv", "userId,tmdb_id,rating", [(1, "m1", "good")])
    with pytest.raises(UnreadableFile, match=r"words\.csv"):
        fit(words)
