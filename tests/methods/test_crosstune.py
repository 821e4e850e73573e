"""CrossTune by hand, on words whose meanings are stated in conftest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import UnreadableFile
from indexer.methods.crosstune import Crosstune
from indexer.methods.method import Material

MakeMaterial = Callable[..., Material]

#: country and folk are near "western" (0.8 and 0.6), love songs near "romance"; soul, at 0.5, is not above it.
MAP = {"western": ["country", "folk"], "romance": ["love songs"], "horror": ["gothic"], "drama": []}


def films(*genres: str) -> list[dict[str, str]]:
    return [{"genres": each} for each in genres]


def songs(*tags: str) -> list[dict[str, str]]:
    return [{"tags": each} for each in tags]


def test_a_genre_becomes_its_nearest_tags_above_a_half(material: Material) -> None:
    assert Crosstune.fit(material).genre_tags == MAP


def test_the_map_is_written_once_with_the_method(material: Material, tmp_path: Path) -> None:
    Crosstune.fit(material).write(tmp_path / "method")
    card = json.loads((tmp_path / "method" / "crosstune.json").read_text(encoding="utf-8"))
    assert card["genre_tags"] == MAP
    assert card["terms"] == ["country", "folk", "gothic", "love songs", "pop", "soul"]
    assert Crosstune.open(tmp_path / "method").genre_tags == MAP


def test_facts_say_which_genres_reached_nothing(material: Material) -> None:
    assert Crosstune.fit(material).facts == {
        "terms": 6,
        "word_meaning": "sentence encoder",
        "terms_reached": 4,
        "genres": 4,
        "genres_without_tags": ["drama"],
        # "Drama" alone, and no genre; one song has no tag at all.
        "items_without_terms": {"movies": 2, "tracks": 1},
        # That song, "pop" alone, and "soul|pop".
        "tracks_out_of_reach": 3,
    }


def test_at_most_ten_tags_of_a_genre(make_material: MakeMaterial) -> None:
    tags = [f"tag{at:02}" for at in range(15)]
    meanings = {"western": [1.0, 0.0]} | {
        tag: [np.cos(at / 20), np.sin(at / 20)] for at, tag in enumerate(tags)
    }
    method = Crosstune.fit(
        make_material(
            films("Western"),
            songs("|".join(tags)),
            encode=lambda texts: np.array([meanings[text] for text in texts], np.float32),
        )
    )
    assert method.genre_tags == {"western": tags[:10]}


def test_the_vocabulary_is_the_500_commonest_with_ties_by_the_alphabet(make_material: MakeMaterial) -> None:
    common, rare = [f"b{at:03}" for at in range(499)], ["c", "a", "d"]
    material = make_material(
        films("x"),
        songs("|".join(common), "|".join(common + rare)),
        encode=lambda texts: np.ones((len(texts), 2)),
    )
    method = Crosstune.fit(material)
    assert method.facts["terms"] == 500
    # All are equally near, so the ten nearest are the first by the alphabet: of the rare ones "a" alone got in.
    assert method.genre_tags["x"] == ["a", *common[:9]]


def test_tags_are_whole_and_without_case_and_count_once(make_material: MakeMaterial) -> None:
    material = make_material(
        films("Western"), [{"genres": "Folk", "tags": "folk| FOLK |love songs"}, {"tags": "country"}]
    )
    method = Crosstune.fit(material)
    # folk and love songs are each in one song of two, so they weigh the same; the film is country and folk.
    np.testing.assert_allclose(method.scores("movies", np.array([0]), "tracks"), [[0.5, 2**-0.5]], rtol=1e-6)


def test_scores_are_cosines_of_tf_idf(make_material: MakeMaterial) -> None:
    material = make_material(
        films("Western", "Romance", "Western|Romance", "Drama"),
        songs("country|folk", "country", "love songs", "pop", ""),
    )
    method = Crosstune.fit(material)
    rare, common = np.log(6 / 2) + 1, np.log(6 / 3) + 1  # of five songs one has folk, two have country
    western = np.array([common, rare]) / np.hypot(common, rare)
    scores = method.scores("movies", np.arange(4), "tracks")
    np.testing.assert_allclose(scores[0], [1, western[0], 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(scores[1], [0, 0, 1, 0, 0], rtol=1e-6)
    length = np.sqrt(common**2 + 2 * rare**2)
    np.testing.assert_allclose(
        scores[2], [np.hypot(common, rare) / length, common / length, rare / length, 0, 0], rtol=1e-6
    )
    assert scores[3].tolist() == [0, 0, 0, 0, 0]


def test_a_tag_that_two_genres_share_counts_twice(make_material: MakeMaterial) -> None:
    meanings = {"a": [1, 0], "b": [0.6, 0.8], "near a": [1, 0], "both": [0.8, 0.6]}
    material = make_material(
        films("A|B"),
        songs("near a", "both"),
        encode=lambda texts: np.array([meanings[text] for text in texts], np.float32),
    )
    method = Crosstune.fit(material)
    assert method.genre_tags == {"a": ["near a", "both"], "b": ["both", "near a"]}
    meanings["b"] = [0.0, 1.0]
    method = Crosstune.fit(material)
    assert method.genre_tags == {"a": ["near a", "both"], "b": ["both"]}
    np.testing.assert_allclose(
        method.scores("movies", np.array([0]), "tracks"), [[1 / 5**0.5, 2 / 5**0.5]], rtol=1e-6
    )


def test_several_films_are_the_mean_of_their_vectors(make_material: MakeMaterial) -> None:
    material = make_material(
        films("Western", "Romance", "Horror"), songs("country|folk", "love songs", "gothic")
    )
    method = Crosstune.fit(material)
    # The mean of three vectors at right angles: two parts western, one part romance.
    together = method.scores_together({"movies": np.array([0, 1, 0])}, "tracks")
    np.testing.assert_allclose(together, [2 / 5**0.5, 1 / 5**0.5, 0], rtol=1e-6)
    # The mean of the lists would say 2/3 and 1/3.
    assert together[0] != pytest.approx(2 / 3)


def test_songs_to_films_is_the_same_cosine(material: Material) -> None:
    method = Crosstune.fit(material)
    films_to_songs = method.scores("movies", np.arange(12), "tracks")
    np.testing.assert_allclose(method.scores("tracks", np.arange(12), "movies"), films_to_songs.T, atol=1e-6)
    assert films_to_songs.max() > 0.5


def test_tf_idf_is_that_of_scikit_learn(material: Material, tmp_path: Path) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    Crosstune.fit(material).write(tmp_path / "m")
    terms, weights, starts = (
        np.load(tmp_path / "m" / f"tracks_{name}.npy") for name in ("terms", "weights", "starts")
    )
    dense = np.zeros((12, 6))
    dense[np.repeat(np.arange(12), np.diff(starts)), terms] = weights
    table = material.catalogue.tracks
    cells = [f"{genres}|{tags}".lower() for genres, tags in zip(table["genres"], table["tags"], strict=True)]
    vectoriser = text.TfidfVectorizer(
        analyzer=lambda cell: {term for term in cell.split("|") if term}, max_features=500
    )
    np.testing.assert_allclose(dense, vectoriser.fit_transform(cells).toarray(), atol=1e-6)


def word_file(tmp_path: Path, *lines: str) -> dict[str, Path]:
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {"word_vectors": path}


def test_given_word_vectors_are_used_and_a_phrase_is_their_mean(
    make_material: MakeMaterial, tmp_path: Path
) -> None:
    files = word_file(
        tmp_path, "the 9 9", "western 1 0", "wide 1 0", "open 1 2", "sky 0 1", "k-pop 3 0.3", "pop 0 1"
    )
    material = make_material(
        # "wide open" is (1, 1), 0.71 from "western"; "wide-sky" is (½, ½); "k-pop" stands as it is; "zz" is unknown.
        films("Western|Zz"),
        songs("wide open|k-pop|wide-sky|sky|zz"),
        files=files,
        encode=None,
    )
    method = Crosstune.fit(material)
    assert method.genre_tags == {"western": ["k-pop", "wide open", "wide-sky"], "zz": []}
    assert method.facts["word_meaning"] == "word vectors file"


def test_a_word2vec_header_and_words_with_spaces_are_passed_over(
    make_material: MakeMaterial, tmp_path: Path
) -> None:
    files = word_file(tmp_path, "4 2", "the 9 9", "western at@home.org 0 1", "western 1 0", "country 1 0.1")
    method = Crosstune.fit(make_material(films("Western"), songs("country"), files=files))
    assert method.genre_tags == {"western": ["country"]}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["the 1 2", "western 1"], "line 2: 1 numbers, not 2"),
        (["western 1 x"], "not a file of word vectors"),
        (["the 1 2"], "no vector for any word"),
        ([], "no vector for any word"),
    ],
)
def test_unusable_word_vectors_are_told(
    make_material: MakeMaterial, tmp_path: Path, lines: list[str], message: str
) -> None:
    material = make_material(films("Western"), songs("country"), files=word_file(tmp_path, *lines))
    with pytest.raises(UnreadableFile, match=message):
        Crosstune.fit(material)


def test_missing_or_undecodable_word_vectors_are_told(make_material: MakeMaterial, tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    material = make_material(films("Western"), songs("country"), files={"word_vectors": path})
    with pytest.raises(UnreadableFile, match=r"vectors\.bin"):
        Crosstune.fit(material)
    path.write_bytes(b"western \xff\xfe\n")
    with pytest.raises(UnreadableFile, match=r"vectors\.bin"):
        Crosstune.fit(material)


def test_a_catalogue_without_any_tag_scores_0(make_material: MakeMaterial) -> None:
    method = Crosstune.fit(make_material(films("Western"), songs("", "")))
    assert method.scores("movies", np.array([0]), "tracks").tolist() == [[0, 0]]
    assert method.facts["genres_without_tags"] == ["western"]
