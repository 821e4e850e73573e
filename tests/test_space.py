"""The shared space: vectors, queries and terms whose numbers can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from indexer.errors import VersionDamaged
from indexer.features.mood_text import AGAINST, Understood
from indexer.readers import carried
from indexer.score_curve import ScoreCurve
from indexer.space import AVOID_WEIGHT, BLOCKS, Block, CurveKey, Dials, Space

Floats = npt.NDArray[np.float32]

SIZES = {"moods": 3, "meaning": 2, "learned": 1, "dials": 3, "hub": 1}
WEIGHTS = {"moods": 4.0, "meaning": 0.25, "learned": 9.0, "dials": 1.0, "hub": 1.0}
POPULARITY, HUB = 8, 9
NOTHING = np.zeros((0, 10), dtype=np.float32)


def row(*numbers: float) -> Floats:
    return np.array(numbers, dtype=np.float32)


def make_space() -> Space:
    curves: dict[CurveKey, ScoreCurve] = {
        ("tracks", "movies"): ScoreCurve((0.0, 1.0), (-1.0, 1.0)),
        ("text", "movies"): ScoreCurve((0.0, 0.5, 1.0), (-2.0, 0.0, 3.0)),
    }
    return Space(SIZES, WEIGHTS, carried(), curves)


def full_item() -> Floats:
    """One vector with something in every block."""
    vectors = make_space().place(
        {
            "moods": row(1, 0, 0)[None],
            "meaning": row(0.6, 0.8)[None],
            "learned": row(1)[None],
            "dials": row(0.5, -0.5, 1)[None],
        }
    )
    vectors[:, HUB] = -0.2
    return vectors


def text_space() -> Space:
    """A space of the blocks that the carried readers make of texts."""
    readers = carried()
    embedding = np.zeros((1, len(readers.text.model.mean)), dtype=np.float32)
    blocks = readers.text_blocks(readers.text.profiles(embedding), embedding)
    sizes = {name: block.shape[1] for name, block in blocks.items()} | {"dials": 3, "hub": 1}
    return Space(sizes, {"moods": 2.0, "learned": 4.0}, readers)


def some_meaning(seed: int) -> Floats:
    values = np.random.default_rng(seed).normal(size=len(carried().text.model.mean))
    return np.asarray(values / np.linalg.norm(values), dtype=np.float32)


def test_blocks_follow_one_another_in_order() -> None:
    space = make_space()
    assert space.blocks == (
        Block("moods", 0, 3, 4.0),
        Block("meaning", 3, 5, 0.25),
        Block("learned", 5, 6, 9.0),
        Block("dials", 6, 9, 1.0),
        Block("hub", 9, 10, 1.0),
    )
    assert space.dimension == 10
    assert space.block("learned") == Block("learned", 5, 6, 9.0)
    assert space.columns("dials") == slice(6, 9)
    with pytest.raises(KeyError):
        space.block("names")


def test_a_block_without_a_weight_weighs_one_and_one_without_columns_is_empty() -> None:
    space = replace(make_space(), sizes={**SIZES, "learned": 0}, weights={"moods": 4.0})
    assert space.dimension == 9
    assert space.block("learned") == Block("learned", 5, 5, 1.0)
    assert space.block("hub") == Block("hub", 8, 9, 1.0)


def test_placing_scales_each_block_by_the_root_of_its_weight() -> None:
    placed = full_item()[0]
    np.testing.assert_allclose(placed, [2, 0, 0, 0.3, 0.4, 3, 0.5, -0.5, 1, -0.2], rtol=1e-6)
    assert placed.dtype == np.float32


def test_a_block_left_out_is_zeros() -> None:
    placed = make_space().place({"moods": np.array([[1, 0, 0], [0, 0, 1]], dtype=np.float32)})
    expected = np.zeros((2, 10))
    expected[0, 0] = expected[1, 2] = 2.0
    assert placed.tolist() == expected.tolist()


def test_a_weight_is_what_two_like_blocks_add_to_the_score() -> None:
    space = make_space()
    item = space.place({"moods": row(0.6, 0.8, 0)[None], "learned": row(1)[None]})
    np.testing.assert_allclose(space.terms(item[0], item)[0], [4, 0, 9, 0, 0], rtol=1e-6)


def test_terms_add_up_to_the_inner_product() -> None:
    space = make_space()
    rng = np.random.default_rng(1)
    items = rng.normal(size=(5, 10)).astype(np.float32)
    query = rng.normal(size=10).astype(np.float32)
    terms = space.terms(query, items)
    assert terms.shape == (5, 5)
    np.testing.assert_allclose(terms.sum(axis=1), items.astype(float) @ query, rtol=1e-12)
    np.testing.assert_allclose(terms[:, 2], items[:, 5].astype(float) * query[5], rtol=1e-12)


def test_a_query_of_an_item_turns_no_dials_but_asks_a_little_for_the_well_known() -> None:
    item = full_item()
    before = item.copy()
    asked = make_space().queries(item)[0]
    np.testing.assert_allclose(asked[[0, 1, 2, 3, 4, 5, 6, 7, 9]], [2, 0, 0, 0.3, 0.4, 3, 0, 0, 1], rtol=1e-6)
    assert (
        0.0
        < asked[POPULARITY]
        < make_space().combine(asked[None], NOTHING, Dials(popularity=1.0))[POPULARITY]
    )
    assert item.tolist() == before.tolist()


def test_the_score_between_items_is_the_likeness_and_the_popularity_less_what_is_held_against_it() -> None:
    item = full_item()
    query = make_space().queries(item)[0]
    # 4·1 + 0.25·1 + 9·1, the popularity 1 as far as it is asked for, less the 0.2 that is held against it.
    assert float(item[0] @ query) == pytest.approx(4 + 0.25 + 9 + query[POPULARITY] - 0.2, abs=1e-5)


def test_combining_one_query_without_dials_gives_it_back() -> None:
    space = make_space()
    query = space.queries(full_item())
    np.testing.assert_allclose(space.combine(query, NOTHING), query[0], rtol=1e-6)


def test_a_combined_score_is_the_mean_less_half_of_what_is_avoided() -> None:
    space = make_space()
    rng = np.random.default_rng(3)
    items = rng.normal(size=(6, 10)).astype(np.float32)
    asked = space.queries(rng.normal(size=(5, 10)).astype(np.float32))
    wanted, avoided = asked[:3], asked[3:]
    combined = space.combine(wanted, avoided)
    # Neither popularity nor the hub says anything about a pair that is avoided.
    unlike = items[:, :6] @ avoided[:, :6].T
    expected = (items @ wanted.T).mean(axis=1) - 0.5 * unlike.mean(axis=1)
    np.testing.assert_allclose(items @ combined, expected, atol=1e-5)
    assert AVOID_WEIGHT == 0.5


@pytest.mark.parametrize("dials", [Dials(), Dials(valence=1.0, energy=-1.0, popularity=1.0)])
def test_what_is_held_against_an_item_counts_once_whatever_is_asked(dials: Dials) -> None:
    space = make_space()
    song = space.queries(full_item())
    assert space.combine(np.concatenate([song] * 3), song, dials)[HUB] == 1.0


@pytest.mark.parametrize(
    ("dials", "added"),
    [
        (Dials(valence=1.0), 0.25),
        (Dials(energy=1.0), -0.25),
        (Dials(valence=-0.5, energy=0.5), -0.25),
        (Dials(), 0.0),
    ],
)
def test_a_dial_adds_half_its_turn_times_the_items_coordinate(dials: Dials, added: float) -> None:
    space, item = make_space(), full_item()
    query = space.queries(item)
    plain, turned = space.combine(query, NOTHING), space.combine(query, NOTHING, dials)
    # The item lies at valence 0.5, energy −0.5 and popularity 1.
    assert float(item[0] @ turned) - float(item[0] @ plain) == pytest.approx(added, abs=1e-5)


@pytest.mark.parametrize("turn", [1.0, 0.5, -1.0])
def test_the_dial_of_popularity_goes_on_from_where_it_stands_by_itself(turn: float) -> None:
    space, item = make_space(), full_item()
    query = space.queries(item)
    combined = space.combine(query, NOTHING, Dials(popularity=turn))
    whole = space.combine(query, NOTHING, Dials(popularity=1.0))
    left = space.combine(query, NOTHING)
    assert whole[POPULARITY] > left[POPULARITY] > 0.0
    expected = left[POPULARITY] + turn * (whole[POPULARITY] - np.sign(turn) * left[POPULARITY])
    assert combined[POPULARITY] == pytest.approx(expected)
    assert combined[:POPULARITY].tolist() == space.combine(query, NOTHING)[:POPULARITY].tolist()


# --- texts ---------------------------------------------------------------------------------------------------


def test_a_text_asks_by_every_block_and_most_by_its_own_words() -> None:
    space, readers = text_space(), carried()
    understood = readers.text.plain(some_meaning(0))
    query = space.text_query(understood)
    assert query.shape == (space.dimension,)
    whole = space.place(readers.text_blocks(understood.profile[None], understood.meaning[None]))[0]
    share = {}
    for name in (*BLOCKS, "learned"):
        some, of = query[space.columns(name)], whole[space.columns(name)]
        share[name] = float(some @ of) / float(of @ of)
        np.testing.assert_allclose(some, share[name] * of, atol=1e-5)
    assert max(share, key=lambda name: share[name]) == "meaning"
    assert min(share, key=lambda name: share[name]) == "era"
    assert share["learned"] == pytest.approx(1.0, abs=1e-4)


def test_a_text_asks_for_the_well_known_more_than_an_item_does() -> None:
    space = text_space()
    place = space.columns("dials").stop - 1
    query = space.text_query(carried().text.plain(some_meaning(0)))
    assert query[place] > space.queries(query[None])[0][place] > 0.0
    assert query[space.columns("dials")][:2].tolist() == [0.0, 0.0]
    assert query[space.columns("hub")].tolist() == [1.0]


def test_what_a_text_does_not_want_counts_against_what_it_wants() -> None:
    space, text = text_space(), carried().text
    wanted, unwanted = (text.plain(some_meaning(seed)) for seed in (1, 2))
    both = Understood(wanted.profile, wanted.meaning, unwanted.profile, unwanted.meaning)
    end = space.block("dials").start
    found, plain, against = (space.text_query(one)[:end] for one in (both, wanted, unwanted))
    np.testing.assert_allclose(found, plain - AGAINST * against, atol=1e-5)
    assert 0.0 < AGAINST < 1.0


# --- curves and files ----------------------------------------------------------------------------------------


def test_curves_are_kept_by_who_asks_and_who_answers() -> None:
    space = make_space()
    assert space.curve_for("tracks", "movies").knots == (0.0, 1.0)
    assert space.curve_for("text", "movies").knots == (0.0, 0.5, 1.0)
    assert space.curve_for("movies", "tracks") == ScoreCurve()
    other = space.with_curves({("tracks", "movies"): ScoreCurve((0.0, 2.0), (0.0, 1.0))})
    assert other.curve_for("tracks", "movies").knots == (0.0, 2.0)
    assert other.curve_for("text", "movies") == ScoreCurve()
    assert space.curve_for("tracks", "movies").knots == (0.0, 1.0)
    assert other.blocks == space.blocks


def test_a_space_reads_back_as_it_was_written(tmp_path: Path) -> None:
    for name, space in (("small", make_space()), ("texts", text_space())):
        space.write(tmp_path / name)
        again = Space.open(tmp_path / name)
        assert again.blocks == space.blocks
        assert again.curves == space.curves
    understood = carried().text.plain(some_meaning(3))
    assert again.text_query(understood).tolist() == space.text_query(understood).tolist()


def test_the_same_space_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_space().write(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert Path("space.json") in files
    assert Path("readers/alignment.movies.npy") in files
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
        lambda folder: change(folder, weights={"moods": "much"}),
        lambda folder: change(folder, curves=[["text", {"knots": [0, 1], "logits": [0, 1]}]]),
        lambda folder: change(folder, curves=[["text", "movies", {"knots": [1, 0], "logits": [0, 1]}]]),
        lambda folder: (folder / "readers" / "text_map.npy").unlink(),
        lambda folder: (folder / "readers" / "text_map.npy").write_bytes(b""),
        lambda folder: (folder / "readers" / "text_map.npy").write_bytes(b"\x93NUMPY"),
        lambda folder: (folder / "readers" / "parameters.json").write_text("{}"),
    ],
    ids=[
        "cut json",
        "other json",
        "no json",
        "sizes without names",
        "a weight in words",
        "a curve for nobody",
        "a falling curve",
        "no map of texts",
        "empty map of texts",
        "cut map of texts",
        "no readers",
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    folder = tmp_path / "space"
    make_space().write(folder)
    damage(folder)
    with pytest.raises(VersionDamaged):
        Space.open(folder)
