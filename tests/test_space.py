"""The shared space: vectors, queries and terms whose numbers can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer import space as space_module
from indexer.catalogue.records import Medium
from indexer.errors import VersionDamaged
from indexer.features.emotion import EmotionModel
from indexer.features.film_text import FilmTextQuery
from indexer.score_curve import ScoreCurve
from indexer.space import MOOD_BINS, Block, Dials, Floats, Space, spread_moods

NAN = np.nan
SIZES = {"text": 3, "themes": 1, "mood": 2, "emotion": 3, "learned": 1, "dials": 3, "hub": 1}
WEIGHTS = {
    "text": 4.0,
    "themes": 0.25,
    "mood": 1.0,
    "emotion": 0.25,
    "learned": 9.0,
    "dials": 1.0,
    "hub": 1.0,
    "names": 0.5,
}
HUB = 13
NOTHING = np.zeros((0, 14), dtype=np.float32)


def row(*numbers: float) -> Floats:
    return np.array(numbers, dtype=np.float32)


def make_space(emotion: bool = True) -> Space:
    """Two themes, along the first two axes of a text, asked for by 2 and −1; one emotion, glad, along the first."""
    film_text = FilmTextQuery(row(0, 0, 0), np.eye(2, 3, dtype=np.float32), row(2, -1)[:, None])
    mood_map = np.array([[1, 0], [0, 0], [0, 0]], dtype=np.float32)
    model = EmotionModel(("glad",), row(1, 0, 0)[None], row(0, 0, 0), mood_map)
    curves: dict[Medium, ScoreCurve] = {
        "movies": ScoreCurve((0.0, 1.0), (-1.0, 1.0)),
        "tracks": ScoreCurve((0.0, 0.5, 1.0), (-2.0, 0.0, 3.0)),
    }
    return Space(SIZES, WEIGHTS, row(0.1, 0.2, 0.3), film_text, model if emotion else None, curves)


def full_item() -> Floats:
    """One vector with something in every block."""
    vectors = make_space().place(
        {
            "text": row(1, 0, 0)[None],
            "themes": row(2)[None],
            "mood": row(0.6, 0.8)[None],
            "emotion": row(1, 2, 3)[None],
            "learned": row(1)[None],
            "dials": row(0.5, -0.5, 1)[None],
        }
    )
    vectors[:, HUB] = -0.2
    return vectors


def test_blocks_follow_one_another_in_order() -> None:
    space = make_space()
    assert space.blocks == (
        Block("text", 0, 3, 4.0),
        Block("themes", 3, 4, 0.25),
        Block("mood", 4, 6, 1.0),
        Block("emotion", 6, 9, 0.25),
        Block("learned", 9, 10, 9.0),
        Block("dials", 10, 13, 1.0),
        Block("hub", 13, 14, 1.0),
    )
    assert space.dimension == 14
    assert space.block("learned") == Block("learned", 9, 10, 9.0)
    assert space.names_weight == 0.5


def test_placing_scales_each_block_by_the_root_of_its_weight() -> None:
    placed = full_item()[0]
    np.testing.assert_allclose(placed, [2, 0, 0, 1, 0.6, 0.8, 0.5, 1, 1.5, 3, 0.5, -0.5, 1, -0.2], rtol=1e-6)
    assert placed.dtype == np.float32


def test_a_block_left_out_is_zeros() -> None:
    placed = make_space().place({"text": np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32)})
    expected = np.zeros((2, 14))
    expected[0, 0] = expected[1, 2] = 2.0
    assert placed.tolist() == expected.tolist()


def test_a_weight_is_what_two_like_blocks_add_to_the_score() -> None:
    space = make_space()
    item = space.place({"text": row(0.6, 0.8, 0)[None], "learned": row(1)[None]})
    terms = space.terms(item[0], item)[0]
    np.testing.assert_allclose(terms, [4, 0, 0, 0, 9, 0, 0], rtol=1e-6)


def test_terms_add_up_to_the_inner_product() -> None:
    space = make_space()
    rng = np.random.default_rng(1)
    items = rng.normal(size=(5, 14)).astype(np.float32)
    query = rng.normal(size=14).astype(np.float32)
    terms = space.terms(query, items)
    assert terms.shape == (5, 7)
    np.testing.assert_allclose(terms.sum(axis=1), items.astype(float) @ query, rtol=1e-12)
    np.testing.assert_allclose(terms[:, 4], items[:, 9].astype(float) * query[9], rtol=1e-12)


@pytest.mark.parametrize(
    ("source", "target", "theme"),
    [
        ("movies", "movies", 0.0),
        ("movies", "tracks", 1.0),
        ("tracks", "movies", 1.0),
        ("tracks", "tracks", 1.0),
    ],
)
def test_a_query_of_an_item_turns_no_dials_says_no_emotion_and_counts_the_hub(
    source: Medium, target: Medium, theme: float
) -> None:
    item = full_item()
    before = item.copy()
    asked = make_space().queries(source, item, target)[0]
    np.testing.assert_allclose(asked, [2, 0, 0, theme, 0.6, 0.8, 0, 0, 0, 3, 0, 0, 0, 1], rtol=1e-6)
    assert item.tolist() == before.tolist()


def test_the_score_between_items_is_the_likeness_less_the_hub_bias() -> None:
    space, item = make_space(), full_item()
    query = space.queries("tracks", item, "movies")[0]
    # 4·1 + 0.25·4 + 1 + 9·1, no dials and no emotion, less the bias of 0.2.
    assert float(item[0] @ query) == pytest.approx(4 + 1 + 1 + 9 - 0.2, abs=1e-5)


def test_a_text_asks_by_text_themes_and_emotion_and_not_by_the_hub() -> None:
    space = make_space()
    films, songs = space.text_query(row(5, 0, 0), "movies"), space.text_query(row(5, 0, 0), "tracks")
    # Along the first theme the second has a share of e⁻²⁰; a text that says "glad" outright asks for all of it.
    assert films[:4] == pytest.approx([2, 0, 0, 1], abs=1e-6)
    assert films[6] == pytest.approx(0.5)
    assert space.emotion is not None
    block = space.emotion.query_block(row(5, 0, 0))
    np.testing.assert_allclose(films[6:9], 0.5 * block, rtol=1e-6)
    # Songs are asked for the emotion before all else.
    more = space_module._TEXT_EMOTION["tracks"]
    assert more > 1.0
    np.testing.assert_allclose(songs[6:9], more * 0.5 * block, rtol=1e-6)
    assert songs[:6].tolist() == films[:6].tolist()
    for query in (films, songs):
        assert query[[4, 5, 9, 10, 11, 12, HUB]].tolist() == [0.0] * 7


def test_a_text_far_from_all_themes_and_emotions_asks_by_its_text_alone() -> None:
    query = make_space().text_query(row(0, 0, 7), "tracks")
    assert query[:4].tolist() == [0, 0, 2, 0]
    assert query[6] == 0.0


def test_a_space_without_emotions_asks_for_none() -> None:
    space = make_space(emotion=False)
    assert space.text_query(row(5, 0, 0), "tracks")[4:].tolist() == [0.0] * 10


def test_combining_one_query_without_dials_gives_it_back() -> None:
    space = make_space()
    query = space.queries("tracks", full_item(), "movies")
    assert space.combine(query, NOTHING).tolist() == query[0].tolist()


def test_a_combined_score_is_the_mean_less_half_of_what_is_avoided() -> None:
    space = make_space()
    rng = np.random.default_rng(3)
    items = rng.normal(size=(6, 14)).astype(np.float32)
    asked = space.queries("tracks", rng.normal(size=(5, 14)).astype(np.float32), "movies")
    wanted, avoided = asked[:3], asked[3:]
    combined = space.combine(wanted, avoided)
    unlike = items[:, :HUB] @ avoided[:, :HUB].T
    expected = (items @ wanted.T).mean(axis=1) - 0.5 * unlike.mean(axis=1)
    np.testing.assert_allclose(items @ combined, expected, atol=1e-5)


def test_a_text_among_the_inputs_takes_its_share_of_the_hub_away() -> None:
    space = make_space()
    song = space.queries("tracks", full_item(), "movies")
    text = space.text_query(row(5, 0, 0), "movies")[None]
    both = space.combine(np.concatenate([song, text]), song)
    assert both[HUB] == 0.5
    assert space.combine(text, song)[HUB] == 0.0


@pytest.mark.parametrize(
    ("dials", "added"),
    [
        (Dials(valence=1.0), 0.25),
        (Dials(energy=1.0), -0.25),
        (Dials(popularity=-1.0), -0.5),
        (Dials(valence=-0.5, energy=0.5, popularity=0.5), 0.0),
        (Dials(), 0.0),
    ],
)
def test_a_dial_adds_half_its_turn_times_the_items_coordinate(dials: Dials, added: float) -> None:
    space, item = make_space(), full_item()
    query = space.queries("tracks", item, "movies")
    plain, turned = space.combine(query, NOTHING), space.combine(query, NOTHING, dials)
    # The item lies at valence 0.5, energy −0.5 and popularity 1.
    assert float(item[0] @ turned) - float(item[0] @ plain) == pytest.approx(added, abs=1e-5)


def test_curves_are_kept_by_target() -> None:
    space = make_space()
    assert space.curve_for("movies").knots == (0.0, 1.0)
    assert space.curve_for("tracks").knots == (0.0, 0.5, 1.0)
    other = space.with_curves({"movies": ScoreCurve((0.0, 2.0), (0.0, 1.0)), "tracks": ScoreCurve()})
    assert other.curve_for("movies").knots == (0.0, 2.0)
    assert space.curve_for("movies").knots == (0.0, 1.0)
    assert other.blocks == space.blocks


def test_moods_are_spread_over_neighbouring_bins() -> None:
    low, between = spread_moods(np.array([[0.0, 1.0], [0.5, 1 / 12]], dtype=np.float32))
    assert low[:3] / low[0] == pytest.approx([1, np.exp(-0.5), np.exp(-2.0)], rel=1e-5)
    np.testing.assert_allclose(low[MOOD_BINS:], low[MOOD_BINS - 1 :: -1], atol=1e-6)
    assert int(between[:MOOD_BINS].argmax()) == 3
    # Half-way between two bins: both are the same.
    assert between[MOOD_BINS] == pytest.approx(between[MOOD_BINS + 1], rel=1e-5)
    assert [np.linalg.norm(low), np.linalg.norm(between)] == pytest.approx([1.0, 1.0], rel=1e-6)


def test_an_unknown_mood_is_zeros_and_half_a_mood_is_the_known_half() -> None:
    whole, half, nothing = spread_moods(np.array([[0.3, 0.3], [0.3, NAN], [NAN, NAN]], dtype=np.float32))
    assert nothing.tolist() == [0.0] * 14
    assert half[MOOD_BINS:].tolist() == [0.0] * 7
    np.testing.assert_allclose(half[:MOOD_BINS], whole[:MOOD_BINS] * np.sqrt(2), rtol=1e-5)
    assert np.linalg.norm(half) == pytest.approx(1.0)


@pytest.mark.parametrize("emotion", [True, False])
def test_a_space_reads_back_as_it_was_written(tmp_path: Path, emotion: bool) -> None:
    space = make_space(emotion)
    space.write(tmp_path / "space")
    again = Space.open(tmp_path / "space")
    assert again.blocks == space.blocks
    assert again.names_weight == 0.5
    assert again.curves == space.curves
    assert again.track_mean.tolist() == space.track_mean.tolist()
    assert (again.emotion is not None) == emotion
    for target in ("movies", "tracks"):
        asked = row(0.5, 0.3, -0.2)
        assert again.text_query(asked, target).tolist() == space.text_query(asked, target).tolist()


def test_the_same_space_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_space().write(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert Path("space.json") in files
    assert Path("film_text/themes.npy") in files
    assert Path("emotion/word_vectors.npy") in files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def change(folder: Path, **values: object) -> None:
    plain = json.loads((folder / "space.json").read_text())
    (folder / "space.json").write_text(json.dumps({**plain, **values}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "space.json").write_text("{"),
        lambda folder: (folder / "space.json").write_text("[]"),
        lambda folder: (folder / "space.json").unlink(),
        lambda folder: change(folder, sizes=[3, 1]),
        lambda folder: change(folder, weights={"text": "much"}),
        lambda folder: change(folder, curves={"movies": {"knots": [0, 1], "logits": [0, 1]}}),
        lambda folder: change(
            folder, curves={medium: {"knots": [1, 0], "logits": [0, 1]} for medium in ("movies", "tracks")}
        ),
        lambda folder: (folder / "track_text_mean.npy").unlink(),
        lambda folder: (folder / "track_text_mean.npy").write_bytes(b""),
        lambda folder: (folder / "track_text_mean.npy").write_bytes(b"\x93NUMPY"),
        lambda folder: (folder / "film_text" / "themes.npy").unlink(),
        lambda folder: (folder / "emotion" / "emotion.json").write_text("{}"),
    ],
    ids=[
        "cut json",
        "other json",
        "no json",
        "sizes without names",
        "a weight in words",
        "a curve missing",
        "a falling curve",
        "no track mean",
        "empty track mean",
        "cut track mean",
        "no themes",
        "no emotion words",
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    folder = tmp_path / "space"
    make_space().write(folder)
    damage(folder)
    with pytest.raises(VersionDamaged):
        Space.open(folder)


def test_an_unlearned_space_has_empty_blocks() -> None:
    space = replace(make_space(emotion=False), sizes={**SIZES, "learned": 0, "emotion": 0})
    assert space.dimension == 10
    assert space.block("learned") == Block("learned", 6, 6, 9.0)
    assert space.block("hub") == Block("hub", 9, 10, 1.0)
