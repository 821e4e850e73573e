"""From profiles to blocks: made-up profiles whose blocks can be worked out by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from indexer.catalogue.records import Medium
from indexer.features.blocks import AXES, BLOCKS, WORD_BLOCKS, BlockAxes, BlockScale
from indexer.features.profiles import Described
from indexer.knowledge.vocabulary import vocabulary

Floats = npt.NDArray[np.float32]
BINS = 7


def plain_scale() -> BlockScale:
    """Around nothing, every word weighing one; meanings have two dimensions."""
    width = vocabulary().width
    nothing = np.zeros(width + 2, dtype=np.float32)
    return BlockScale(nothing, nothing, np.ones(len(vocabulary().words), dtype=np.float32))


def profile(numbers: tuple[float, float, float] = (0.5, 0.5, 0.5), **values: dict[int, float]) -> Floats:
    """A profile from group → place among its words → value."""
    known, row = vocabulary(), np.zeros(vocabulary().width, dtype=np.float32)
    for group, said in values.items():
        for place, value in said.items():
            row[known.columns[group].start + place] = value
    row[known.numbers] = numbers
    return row


def described(profiles: list[Floats], meanings: list[list[float]]) -> Described:
    rows = np.array(meanings, dtype=np.float32)
    return Described(np.stack(profiles), rows, np.ones(len(profiles), dtype=np.float32))


def blocks_of(*profiles: Floats) -> dict[str, Floats]:
    meanings = [[3.0, 4.0]] * len(profiles)
    return plain_scale().blocks("movies", described(list(profiles), meanings))


def test_blocks_are_named_in_order_and_of_unit_length() -> None:
    blocks = blocks_of(profile(moods={0: 3.0, 2: 4.0}, music={1: 0.5}, scenes={0: 1.0}, decades={0: 1.0}))
    assert tuple(blocks) == BLOCKS
    assert blocks["moods"][0, :3].tolist() == pytest.approx([0.6, 0.0, 0.8])
    assert blocks["music"][0, :2].tolist() == [0.0, 1.0]
    assert blocks["meaning"][0].tolist() == pytest.approx([0.6, 0.8])
    assert [float(np.linalg.norm(rows)) for rows in blocks.values()] == pytest.approx([1.0] * len(BLOCKS))


def test_what_nothing_is_said_of_is_zeros() -> None:
    silent = described([profile((np.nan, np.nan, np.nan))], [[0.0, 0.0]])
    scale = BlockScale(plain_scale().movies + 0.0, plain_scale().tracks, plain_scale().words)
    for name, rows in scale.blocks("movies", silent).items():
        assert not rows.any(), name


def test_blocks_are_around_the_mean_of_the_medium_and_weighed_by_word() -> None:
    width, words = vocabulary().width, np.ones(len(vocabulary().words), dtype=np.float32)
    movies, tracks = (np.zeros(width + 2, dtype=np.float32) for _ in range(2))
    movies[0], movies[-1] = 1.0, 4.0
    words[1] = 2.0
    scale = BlockScale(movies, tracks, words)
    item = described([profile(moods={0: 4.0, 1: 2.0})], [[3.0, 4.0]])
    films, songs = scale.blocks("movies", item), scale.blocks("tracks", item)
    # (4 − 1, 2 · 2) and (4, 2 · 2).
    assert films["moods"][0, :2].tolist() == pytest.approx([0.6, 0.8])
    assert songs["moods"][0, :2].tolist() == pytest.approx([0.5**0.5] * 2)
    assert films["meaning"][0].tolist() == [1.0, 0.0]
    # A meaning that is unknown is not what the mean lacks.
    unknown = scale.blocks("movies", described([profile()], [[0.0, 0.0]]))
    assert unknown["meaning"][0].tolist() == [0.0, 0.0]


def test_neighbouring_decades_are_alike_and_others_are_not() -> None:
    blocks = blocks_of(*(profile(decades={place: 1.0}) for place in (3, 4, 5, 6)))["era"]
    # (½, 1, ½) over the root of 3/2: next to each other they share ½ + ½, two apart ¼.
    assert (blocks @ blocks[0]).tolist() == pytest.approx([1.0, 2 / 3, 1 / 6, 0.0])


def test_numbers_are_spread_over_neighbouring_bins() -> None:
    low, high, between, middle = blocks_of(
        profile((0.0, np.nan, np.nan)),
        profile((1.0, np.nan, np.nan)),
        profile((1 / 12, np.nan, np.nan)),
        profile((0.5, np.nan, np.nan)),
    )["feeling"][:, :BINS]
    np.testing.assert_allclose(low, high[::-1], atol=1e-6)
    assert int(middle.argmax()) == 3
    # Half-way between two bins: both are the same.
    assert between[0] == pytest.approx(between[1], rel=1e-5)
    assert low.sum() == pytest.approx(0.0, abs=1e-6)
    # Bins fall off as a bell of one bin's width.
    bell = np.exp(-0.5 * np.arange(BINS) ** 2.0)
    bell -= bell.mean()
    np.testing.assert_allclose(low, bell / np.linalg.norm(bell), atol=1e-6)


def test_a_number_that_is_unknown_says_nothing_and_acousticness_says_least() -> None:
    energy, both, all_three = blocks_of(
        profile((0.2, np.nan, np.nan)), profile((0.2, 0.2, np.nan)), profile((0.2, 0.2, 0.2))
    )["feeling"]
    assert not energy[BINS:].any()
    np.testing.assert_allclose(both[:BINS], energy[:BINS] * 0.5**0.5, rtol=1e-5)
    np.testing.assert_allclose(all_three[2 * BINS :], 0.5 * all_three[:BINS], rtol=1e-5)


def test_a_word_that_is_said_of_nearly_all_weighs_less_than_one_that_tells_them_apart() -> None:
    films = described([profile(moods={0: 1.0, 1: 1.0}), profile(moods={0: 1.0})], [[0, 2], [0, 4]])
    songs = described([profile(moods={0: 1.0}), profile(moods={0: 1.0, 1: 1.0})], [[1, 0], [3, 0]])
    scale = BlockScale.fit({"movies": films, "tracks": songs})
    # The first word is said of all; the second of one half of either, so it spreads by ½.
    assert scale.words[:2].tolist() == pytest.approx([0.02**-0.5, 0.52**-0.5], rel=1e-5)
    assert scale.mean("movies")[:2].tolist() == [1.0, 0.5]
    assert scale.mean("movies")[-2:].tolist() == [0.0, 3.0]
    assert scale.mean("tracks")[-2:].tolist() == [2.0, 0.0]


def test_axes_keep_inner_products_of_what_lies_along_few_directions() -> None:
    rng = np.random.default_rng(0)
    sizes = {name: vocabulary().columns[group] for name, group in WORD_BLOCKS.items()}
    blocks: dict[Medium, dict[str, Floats]] = {"movies": {}, "tracks": {}}
    for name in BLOCKS:
        width = sizes[name].stop - sizes[name].start if name in sizes else 150
        basis = rng.normal(size=(5, width))
        for some in blocks.values():
            some[name] = (rng.normal(size=(30, 5)) @ basis / width).astype(np.float32)
    axes = BlockAxes.fit(blocks)
    cut = {medium: axes.apply(some) for medium, some in blocks.items()}
    for name in BLOCKS:
        films, songs = (cut[medium][name] for medium in ("movies", "tracks"))
        whole = blocks["tracks"][name] @ blocks["movies"][name].T
        assert films.shape[1] == min(AXES.get(name, films.shape[1]), blocks["movies"][name].shape[1])
        np.testing.assert_allclose(songs @ films.T, whole, atol=2e-3 * float(np.abs(whole).max()))
    assert cut["movies"]["era"] is blocks["movies"]["era"]
