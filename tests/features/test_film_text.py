"""The films' learned text and themes: small worlds whose answers can be stated, and what happens without keywords."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import InputError, VersionDamaged
from indexer.features import film_text
from indexer.features.film_text import Calm, FilmParts, FilmText, FilmTextQuery, Floats, fit

TOPICS, WORDS, D = 8, 25, 24
FILMS = 640


def direction(number: int) -> Floats:
    return np.eye(D, dtype=np.float32)[number]


def encode(texts: Sequence[str]) -> Floats:
    """“3 word 7” lies near axis 3, and each word a little off it its own way; “slang 3” lies at axis 16 + 3."""
    rows = np.zeros((len(texts), D), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        if text.startswith("slang "):
            row += direction(16 + int(text.removeprefix("slang ")))
            continue
        topic, _, number = text.split()
        own = np.random.default_rng(int(number)).normal(size=8).astype(np.float32)
        row += direction(int(topic))
        row[8:16] = 0.4 * own / np.linalg.norm(own)
    return film_text.unit(rows)


def topic_of(film: int) -> int:
    return film % TOPICS


def make_world() -> FilmParts:
    """640 films of 8 topics; three in four have three keywords of their topic, the fourth block of 160 none.

    Overviews speak another tongue: a film of topic t lies at axis t + 1. Sentences are all noise.
    Nothing is said in slang.
    """
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(3, FILMS, D)).astype(np.float32) / 10
    noise[:, :, 16:] = 0.0
    overview = noise[0] + np.stack([direction((topic_of(film) + 1) % TOPICS) for film in range(FILMS)])
    keywords = [
        tuple(f"{topic_of(film)} word {number}" for number in rng.choice(WORDS, 3, replace=False))
        if film < 480
        else ()
        for film in range(FILMS)
    ]
    # Every word is used, so that there are 8 × 25 = 200 of them.
    for film in range(TOPICS * WORDS):
        keywords[film] = (f"{topic_of(film)} word {film // TOPICS}", *keywords[film][:2])
    # 500 films must have some.
    for film in range(480, 500):
        keywords[film] = (f"{topic_of(film)} word 0",)
    genres = [("Even",) if topic_of(film) % 2 == 0 else ("Odd",) for film in range(FILMS)]
    return FilmParts(
        film_text.unit(noise[1]), film_text.unit(overview), film_text.unit(noise[2]), keywords, genres
    )


@pytest.fixture(scope="module")
def world() -> FilmParts:
    return make_world()


@pytest.fixture(scope="module")
def fitted(world: FilmParts) -> FilmText:
    return fit(world, encode, seed=0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small world gives few batches; smaller ones and larger steps let it learn what a large one would."""
    monkeypatch.setattr(film_text, "_BATCH", 64)
    monkeypatch.setattr(film_text, "_EPOCHS", 20)
    monkeypatch.setattr(film_text, "_STEP", 0.02)


def asked(film_texts: FilmText, text: str) -> Floats:
    scores: Floats = film_texts.text_block @ film_texts.query.ask_text(encode([text])[0])
    return scores


def same_bytes(one: FilmText, other: FilmText) -> bool:
    pairs = (
        (one.text_block, other.text_block),
        (one.theme_block, other.theme_block),
        (one.query.centre, other.query.centre),
        (one.query.anchors, other.query.anchors),
        (one.query.themes, other.query.themes),
    )
    return all(a.tobytes() == b.tobytes() for a, b in pairs)


def test_films_without_keywords_are_found_by_what_other_films_keywords_teach(
    world: FilmParts, patient: None
) -> None:
    """Overviews of topic t lie at the words of topic t + 1: only the learned map can know."""
    learned = fit(world, encode, seed=0)
    assert learned.query.learned
    for topic in range(TOPICS):
        untold = np.arange(500, FILMS)
        scores = asked(learned, f"{topic} word 3")[untold]
        right = untold % TOPICS == topic
        best = untold[np.argsort(-scores)[: right.sum()]]
        assert {topic_of(film) for film in best} == {topic}


def test_people_s_tags_teach_a_word_no_keyword_says(world: FilmParts, patient: None) -> None:
    """“slang t” is of no keyword's direction; films 0–399 were tagged with it, films 400 on were not."""
    told = fit(world, encode, seed=0, tags=[(film, f"slang {topic_of(film)}") for film in range(400)])
    for topic in range(TOPICS):
        others = np.arange(400, FILMS)
        best = others[np.argsort(-asked(told, f"slang {topic}")[400:])[:10]]
        assert {topic_of(film) for film in best} == {topic}


def test_a_tag_about_a_person_teaches_nothing(world: FilmParts, fitted: FilmText) -> None:
    """``encode`` here cannot even read it."""
    queued = fit(world, encode, seed=0, tags=[(3, "in netflix queue"), (4, " In Netflix Queue ")])
    assert same_bytes(queued, fitted)
    assert not same_bytes(fit(world, encode, seed=0, tags=[(3, "slang 3")]), fitted)


def test_the_same_seed_gives_the_same_bytes(world: FilmParts, fitted: FilmText) -> None:
    assert same_bytes(fit(make_world(), encode, seed=0), fitted)
    assert not same_bytes(fit(world, encode, seed=1), fitted)


def test_blocks_are_float32_of_stated_width(fitted: FilmText) -> None:
    assert (fitted.text_block.shape, fitted.text_block.dtype) == ((FILMS, D), np.float32)
    assert (fitted.theme_block.shape, fitted.theme_block.dtype) == ((FILMS, 128), np.float32)
    assert np.linalg.norm(fitted.text_block, axis=1) == pytest.approx(np.ones(FILMS), abs=1e-5)


def test_a_theme_finds_the_films_that_have_its_keyword_or_one_near_it(
    world: FilmParts, fitted: FilmText
) -> None:
    for topic, word in ((0, "0 word 3"), (5, "5 word 11")):
        scores = (fitted.theme_block @ fitted.query.ask_themes(encode([word])[0]))[:500]
        near = np.arange(500) % TOPICS == topic
        have = np.array([word in words for words in world.keywords[:500]])
        assert scores[near].min() > scores[~near].max()
        assert scores[have].mean() > scores[near & ~have].mean()


def test_themes_keep_the_sharpest_keyword_among_many() -> None:
    """One film holds the anchor and nine far words, the other ten half-near words: the mean prefers the other."""
    angle = np.arccos(0.5)
    bank = np.zeros((20, 20), dtype=np.float32)
    bank[0, 0] = 1.0
    bank[np.arange(1, 10), np.arange(1, 10)] = 1.0
    bank[10:, 0], bank[np.arange(10, 20), np.arange(10, 20)] = np.cos(angle), np.sin(angle)
    held = [np.arange(10), np.arange(10, 20)]
    assert bank[held[0]].mean(axis=0)[0] < bank[held[1]].mean(axis=0)[0]
    table = film_text._fit_themes(held, bank, bank[:1], np.zeros((2, 20), dtype=np.float32))[0]
    # Two values at mean 0 and deviation 1 are 1 and -1.
    assert table[:, 0] == pytest.approx([1.0, -1.0], abs=1e-5)


def test_a_film_without_keywords_has_the_themes_of_films_of_like_text() -> None:
    """Films 0–3 have the anchor and text +1, films 4–7 another word and text −1; film 8 has text +1 alone."""
    bank = np.eye(2, dtype=np.float32)
    held = [np.array([0])] * 4 + [np.array([1])] * 4 + [np.array([], dtype=np.int64)] * 2
    block = np.zeros((10, 2), dtype=np.float32)
    block[:4, 0], block[4:8, 0], block[8, 0] = 1.0, -1.0, 1.0
    table = film_text._fit_themes(held, bank, bank, block)[0]
    # Ridge: 8 rows against 3 give 8 / 11 of what films 0–3 have; film 9, of which nothing is known, gives 0.
    assert (table[8, 0] - table[4, 0]) / (table[0, 0] - table[4, 0]) == pytest.approx(
        (1 + 8 / 11) / 2, abs=1e-5
    )
    assert table[9].tolist() == [0.0, 0.0]


def test_no_score_is_divided_by_a_deviation_of_nought() -> None:
    """All films have the same word: every column is constant, which says nothing about any film."""
    bank = np.eye(2, dtype=np.float32)
    block = np.ones((3, 2), dtype=np.float32)
    assert film_text._fit_themes([np.array([0])] * 3, bank, bank, block)[0].tolist() == [[0.0, 0.0]] * 3
    nothing = np.zeros((2, 2), dtype=np.float32)
    assert Calm.fit(nothing, bank).apply(nothing, bank).tolist() == [[0.0, 0.0]] * 2
    one_sided = np.diag([1.0, 0.0]).astype(np.float32)
    unheard = Calm.fit(np.eye(2, dtype=np.float32), one_sided).apply(np.eye(2, dtype=np.float32), one_sided)
    # The second row's deviation is 0; it counts as a tenth of the mean deviation, 0.05.
    assert unheard[1, 1] / unheard[0, 0] == pytest.approx(20.0, rel=1e-5)


def test_keywords_that_all_mean_the_same_break_nothing(world: FilmParts) -> None:
    def one_meaning(texts: Sequence[str]) -> Floats:
        return np.tile(direction(0), (len(texts), 1))

    flat = fit(world, one_meaning, seed=0)
    for part in (flat.text_block, flat.theme_block, flat.query.themes):
        assert np.isfinite(part).all()
    assert flat.query.ask_themes(direction(0)).tolist() == [0.0] * 128


def test_unknown_films_are_zeros_and_half_known_ones_are_not(world: FilmParts) -> None:
    parts = [part.copy() for part in (world.sentence, world.overview, world.title)]
    for part in parts:
        part[600] = 0.0
    parts[1][601] = 0.0
    genres = [*world.genres[:600], (), *world.genres[601:]]
    lacking = fit(FilmParts(parts[0], parts[1], parts[2], world.keywords, genres), encode, seed=0)
    assert lacking.text_block[600].tolist() == [0.0] * D
    assert lacking.theme_block[600].tolist() == [0.0] * 128
    assert np.linalg.norm(lacking.text_block[601]) == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(lacking.theme_block).all()


def test_a_keyword_said_twice_counts_once_and_an_empty_one_not_at_all(
    world: FilmParts, fitted: FilmText
) -> None:
    doubled = [(*words, *words[:1], "") for words in world.keywords]
    assert same_bytes(fit(replace(world, keywords=doubled), encode, seed=0), fitted)


def unread(texts: Sequence[str]) -> Floats:
    raise AssertionError(f"{texts} need not be encoded")


def test_without_keywords_text_is_the_centred_sentence_and_there_are_no_themes() -> None:
    sentence = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=np.float32)
    parts = FilmParts(sentence, np.zeros_like(sentence), np.zeros_like(sentence), [()] * 3, [()] * 3)
    plain = fit(parts, unread, seed=0, tags=[(0, "quirky")])
    half = 0.5**0.5
    assert plain.text_block == pytest.approx(np.array([[half, -half], [-half, half], [0.0, 0.0]]), abs=1e-6)
    assert (plain.theme_block.shape, plain.theme_block.any()) == ((3, 128), False)
    assert not plain.query.learned
    assert plain.query.reason.startswith("0 films with 0 distinct keywords are too few")
    assert plain.query.ask_text(np.array([0.6, 0.8], dtype=np.float32)) == pytest.approx([0.6, 0.8], abs=1e-6)
    assert plain.query.ask_themes(sentence[0]).tolist() == [0.0] * 128


def test_no_films_at_all_are_no_error() -> None:
    nothing = np.zeros((0, 3), dtype=np.float32)
    empty = fit(FilmParts(nothing, nothing, nothing, [], []), unread, seed=0)
    assert (empty.text_block.shape, empty.theme_block.shape) == ((0, 3), (0, 128))


def test_one_keyword_or_one_film_too_few_is_not_learned_from(world: FilmParts, fitted: FilmText) -> None:
    assert (fitted.query.learned, fitted.query.reason) == (True, "")
    gone = "7 word 24"
    fewer_words = [
        tuple(word for word in words if word != gone) or ("7 word 0",) for words in world.keywords[:500]
    ]
    silent = [()] * (FILMS - 500)
    words = fit(replace(world, keywords=[*fewer_words, *silent]), unread, seed=0)
    assert words.query.reason.startswith("500 films with 199 distinct keywords are too few")
    films = fit(replace(world, keywords=[*world.keywords[:499], (), *silent]), unread, seed=0)
    assert films.query.reason.startswith("499 films with 200 distinct keywords are too few")


def test_parts_that_do_not_fit_together_are_refused(world: FilmParts) -> None:
    with pytest.raises(InputError, match="do not fit together"):
        fit(replace(world, title=world.title[1:]), encode, seed=0)
    with pytest.raises(InputError, match="do not fit together"):
        fit(replace(world, genres=world.genres[1:]), encode, seed=0)
    with pytest.raises(InputError, match="“quirky” is of film row 640"):
        fit(world, encode, seed=0, tags=[(FILMS, "quirky")])
    with pytest.raises(InputError, match=r"200 texts were encoded as \(200, 23\)"):
        fit(world, lambda texts: encode(texts)[:, 1:], seed=0)


# Two anchors, themes that are the anchors themselves, and a third axis that is no theme.
QUERY = FilmTextQuery(
    np.array([0.0, 0.0, 1.0], dtype=np.float32), np.eye(2, 3, dtype=np.float32), np.eye(2, dtype=np.float32)
)


def test_a_text_asks_around_the_mean_keyword() -> None:
    assert QUERY.ask_text(np.array([2.0, 0.0, 1.0], dtype=np.float32)).tolist() == [1.0, 0.0, 0.0]
    assert QUERY.ask_text(np.zeros(3, dtype=np.float32)).tolist() == [0.0, 0.0, 0.0]
    assert QUERY.ask_text(QUERY.centre).tolist() == [0.0, 0.0, 0.0]


def test_a_text_asks_for_its_nearest_themes_as_surely_as_they_are_near() -> None:
    assert QUERY.ask_themes(np.array([1.0, 0.0, 1.0], dtype=np.float32)) == pytest.approx(
        [1.0, 0.0], abs=1e-6
    )
    # At cosine 0.45 a text is half sure, (0.45 - 0.2) / (0.7 - 0.2); the other theme is e^9 times less likely.
    half_near = np.array([0.45, 0.0, 1.0 + (1 - 0.45**2) ** 0.5], dtype=np.float32)
    share = 1 / (1 + float(np.exp(-9.0)))
    assert QUERY.ask_themes(half_near) == pytest.approx([0.5 * share, 0.5 * (1 - share)], abs=1e-5)
    assert QUERY.ask_themes(np.array([0.0, 0.0, 3.0], dtype=np.float32)).tolist() == [0.0, 0.0]


def test_many_directions_ask_as_one_does(fitted: FilmText, monkeypatch: pytest.MonkeyPatch) -> None:
    words = encode([f"{topic} word 5" for topic in range(TOPICS)])
    one_by_one = np.stack([fitted.query.ask_themes(word) for word in words])
    directions = np.stack([fitted.query.ask_text(word) for word in words])
    monkeypatch.setattr(film_text, "_CHUNK_ROWS", 3)
    assert fitted.query.themes_of(directions) == pytest.approx(one_by_one, abs=1e-5)


def test_a_written_query_side_answers_the_same(fitted: FilmText, tmp_path: Path) -> None:
    fitted.query.write(tmp_path / "one")
    fitted.query.write(tmp_path / "two")
    again = FilmTextQuery.open(tmp_path / "one")
    word = encode(["2 word 9"])[0]
    assert again.ask_text(word).tobytes() == fitted.query.ask_text(word).tobytes()
    assert again.ask_themes(word).tobytes() == fitted.query.ask_themes(word).tobytes()
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["anchors.npy", "centre.npy", "film_text.json", "themes.npy"]
    assert all((tmp_path / "one" / n).read_bytes() == (tmp_path / "two" / n).read_bytes() for n in names)


def test_a_plain_query_side_is_read_back_with_its_reason(tmp_path: Path) -> None:
    nothing = np.zeros((2, 3), dtype=np.float32)
    plain = fit(FilmParts(nothing, nothing, nothing, [(), ()], [(), ()]), unread, seed=0).query
    plain.write(tmp_path / "plain")
    again = FilmTextQuery.open(tmp_path / "plain")
    assert (again.learned, again.reason) == (False, plain.reason)
    assert again.ask_themes(np.ones(3, dtype=np.float32)).tolist() == [0.0] * 128


@pytest.mark.parametrize("name", ["anchors.npy", "centre.npy", "film_text.json", "themes.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_a_damaged_file_is_named_as_such(name: str, damage: str, tmp_path: Path) -> None:
    QUERY.write(tmp_path / "query")
    path = tmp_path / "query" / name
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(whole[:-5] if damage == "cut" else b"")
    with pytest.raises(VersionDamaged, match="query: the film text cannot be read"):
        FilmTextQuery.open(tmp_path / "query")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("centre", np.zeros(4, dtype=np.float32), "do not fit together"),
        ("themes", np.zeros((3, 2), dtype=np.float32), "do not fit together"),
        ("themes", np.zeros(2, dtype=np.float32), "do not fit together"),
        ("themes", np.full((2, 2), np.nan, dtype=np.float32), "other than finite"),
        ("anchors", np.zeros((2, 3)), "other than finite"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(
    name: str, array: np.ndarray, message: str, tmp_path: Path
) -> None:
    QUERY.write(tmp_path / "query")
    np.save(tmp_path / "query" / f"{name}.npy", array)
    with pytest.raises(VersionDamaged, match=message):
        FilmTextQuery.open(tmp_path / "query")


def test_facts_that_contradict_the_arrays_are_refused(tmp_path: Path) -> None:
    QUERY.write(tmp_path / "query")
    told = {"learned": False, "reason": "too few"}
    (tmp_path / "query" / "film_text.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(VersionDamaged, match="do not fit together"):
        FilmTextQuery.open(tmp_path / "query")
