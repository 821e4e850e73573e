import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.catalogue.records import Medium
from indexer.errors import InputError, MissingColumn, UnreadableFile, UnsupportedQuery
from indexer.evaluate import Gallery, evaluate
from indexer.evaluation_labels import evaluate_emotion_words, evaluate_mood, evaluate_tags
from indexer.evaluation_pairs import Pairs, leave_out_trained, read_pairs
from indexer.evaluation_results import Direction, Evaluation, Settings, Unsupported
from indexer.evaluation_table import format_table
from indexer.metrics import Interval

SETTINGS = Settings(draws=200, flips=2000, random_queries=8, list_length=2)


class Table:
    """Scores from a (songs, films) table, the other direction from its transpose."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table.astype(np.float32)
        self.asked: list[int] = []

    def scores(self, source: Medium, rows: np.ndarray, target: Medium) -> np.ndarray:
        self.asked.append(len(rows))
        return self.table[rows] if source == "tracks" else self.table.T[rows]


class SongsOnly(Table):
    def scores(self, source: Medium, rows: np.ndarray, target: Medium) -> np.ndarray:
        if source == "movies":
            raise UnsupportedQuery("films are no input to this method")
        return super().scores(source, rows, target)


def galleries(songs: int, films: int) -> dict[Medium, Gallery]:
    return {
        "movies": Gallery(np.arange(films, dtype=np.float64), np.eye(films, dtype=np.float16)),
        "tracks": Gallery(np.full(songs, np.nan), np.eye(songs, dtype=np.float16)),
    }


def pairs_of(*pairs: tuple[int, int]) -> Pairs:
    return Pairs(np.array([m for m, _ in pairs]), np.array([t for _, t in pairs]))


def direction(evaluation: Evaluation, method: str, source: Medium) -> Direction:
    (found,) = [d for d in evaluation.directions if (d.method, d.source) == (method, source)]
    assert isinstance(found, Direction)
    return found


def values(figures: dict[str, Interval]) -> dict[str, float]:
    return {key: figure.value for key, figure in figures.items()}


#: Twelve songs by twelve films: every song likes film 0 best, then 1, …
SAME = np.tile(-np.arange(12.0), (12, 1))


def test_the_figures_of_a_run_by_hand() -> None:
    # Songs 0, 1 and 11 stand in films 0, 1 and 11: ranks 1, 2 and 12.
    method = Table(SAME)
    got = evaluate({"segue": method}, pairs_of((0, 0), (1, 1), (11, 11)), galleries(12, 12), SETTINGS)
    found = direction(got, "segue", "tracks")
    assert values(dict(found.recall)) == pytest.approx({"1": 1 / 3, "10": 2 / 3, "100": 1.0})
    assert found.mrr.value == pytest.approx((1 + 1 / 2 + 1 / 12) / 3)
    assert found.ndcg10.value == pytest.approx((1 + 1 / math.log2(3)) / 3)
    assert found.median_percentile.value == pytest.approx(100 / 11)
    assert (found.gallery, found.pairs, found.queries) == (12, 3, 3)
    # Peer groups are two films: of (0, 1) the first is first; 1 sits with 0 and comes after it; 11 after 10.
    assert found.median_peer_percentile.value == 100.0
    # Every list is films 0 and 1.
    assert found.lists.distinct_per_slot.value == 2 / 16
    assert found.lists.distinct_by_position.value == 1 / 8
    assert found.lists.largest_hub == Interval(1.0, 1.0, 1.0)
    assert found.lists.gini.value == pytest.approx(10 / 12)
    assert found.lists.diversity == Interval(1.0, 1.0, 1.0)
    assert found.lists.most_common == (1.0, 1.0)
    # From films all songs score alike: nothing is earned, and the middle is reached.
    back = direction(got, "segue", "movies")
    assert values(dict(back.recall)) == {"1": 0.0, "10": 1.0, "100": 1.0}
    assert back.median_percentile == Interval(50.0, 50.0, 50.0)
    assert back.median_peer_percentile.value == 50.0


def test_a_song_of_two_films_is_one_query_and_two_pairs() -> None:
    table = np.zeros((2, 30))
    table[0, 3], table[0, 4], table[1, 5] = 2, 1, 0.5
    got = evaluate({"m": Table(table)}, pairs_of((3, 0), (4, 0), (6, 1)), galleries(2, 30), SETTINGS)
    found = direction(got, "m", "tracks")
    assert (found.pairs, found.queries) == (3, 2)
    # Per pair 1, 0, 0: the other known film of a song is not taken out of its ranking.
    assert found.recall["1"].value == pytest.approx(1 / 3)
    # nDCG per query: song 0 has both at the front, song 1 has nothing within ten.
    assert found.ndcg10.value == pytest.approx(0.5)


def test_small_chunks_give_the_same_figures() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(40, 30))
    pairs = pairs_of(*((int(m), int(t)) for m, t in zip(rng.integers(30, size=25), range(25), strict=True)))
    whole, chunked = Table(table), Table(table)
    curve = {"m": lambda raw: 1 / (1 + np.exp(-raw))}
    one = evaluate({"m": whole}, pairs, galleries(40, 30), SETTINGS, curve)
    other = evaluate({"m": chunked}, pairs, galleries(40, 30), dataclasses.replace(SETTINGS, cells=90), curve)
    assert one.directions == other.directions
    assert max(whole.asked) == 25
    assert max(chunked.asked) == 3


def test_a_direction_a_method_does_not_have_is_told() -> None:
    methods = {"segue": Table(SAME), "songs": SongsOnly(SAME)}
    got = evaluate(methods, pairs_of((0, 0), (1, 1)), galleries(12, 12), SETTINGS)
    assert Unsupported("songs", "movies", "tracks", 12, "films are no input to this method") in got.directions
    assert [(c.method, c.source) for c in got.comparisons] == [("songs", "tracks")]
    assert "film → song: songs does not answer: films are no input to this method" in format_table(got)


def test_the_reference_is_tested_against_each_method_with_holm() -> None:
    films = 60
    right, wrong = np.eye(films), -np.eye(films)
    half = np.where(np.arange(films)[:, None] < 30, right, wrong)
    pairs = pairs_of(*((i, i) for i in range(films)))
    methods = {"wrong": Table(wrong), "segue": Table(right), "half": Table(half)}
    got = evaluate(methods, pairs, galleries(films, films), SETTINGS)
    by = {(c.method, c.source): c for c in got.comparisons}
    assert set(by) == {(m, s) for m in ("wrong", "half") for s in ("tracks", "movies")}
    assert all(c.reference == "segue" and c.pairs == films for c in got.comparisons)
    nothing = by["wrong", "tracks"]
    assert nothing.ratio == Interval(math.inf, math.inf, math.inf)
    assert nothing.difference == Interval(1.0, 1.0, 1.0)
    assert nothing.p == pytest.approx(1 / 2001)
    assert nothing.p_holm == pytest.approx(4 / 2001)
    twice = by["half", "tracks"]
    assert twice.ratio.value == pytest.approx(2.0)
    assert 1.4 < twice.ratio.low < 2.0 < twice.ratio.high < 3.2
    assert twice.difference.value == pytest.approx(0.5)


def test_without_segue_the_first_method_is_the_reference() -> None:
    got = evaluate({"a": Table(SAME), "b": Table(SAME)}, pairs_of((0, 0)), galleries(12, 12), SETTINGS)
    assert [(c.reference, c.method, c.p, c.ratio.value) for c in got.comparisons] == [
        ("a", "b", 1.0, 1.0)
    ] * 2


def test_calibration_is_of_true_against_random_pairs() -> None:
    films = 50
    pairs = pairs_of(*((i, i) for i in range(films)))
    settings = dataclasses.replace(SETTINGS, random_queries=50)
    surely = {"segue": lambda raw: np.where(raw > 0.9, 0.75, 0.25)}
    got = evaluate({"segue": Table(np.eye(films))}, pairs, galleries(films, films), settings, surely)
    calibration = direction(got, "segue", "tracks").calibration
    assert calibration is not None
    assert (calibration.true_pairs, calibration.random_pairs) == (50, 50)
    low, high = calibration.curve
    # A random pair is a true one now and then; 0.75 is said of every true pair, 0.25 of nearly every other.
    assert (low.mean, low.rate) == (pytest.approx(0.25), 0.0)
    assert high.mean == pytest.approx(0.75)
    assert 0.9 <= high.rate <= 1.0
    gaps = low.weight * 0.25 + high.weight * (high.rate - 0.75)
    assert calibration.ece10.value == pytest.approx(gaps)
    assert calibration.ece15.value == pytest.approx(gaps)
    assert calibration.ece15.low <= gaps <= calibration.ece15.high
    other = evaluate({"b": Table(np.eye(films))}, pairs, galleries(films, films), settings, surely)
    assert direction(other, "b", "tracks").calibration is None


def test_the_same_seed_gives_the_same_evaluation_and_json_holds_it_all() -> None:
    table = np.random.default_rng(1).normal(size=(30, 20))
    pairs = pairs_of((3, 4), (5, 6), (5, 7))

    def run(seed: int) -> Evaluation:
        settings = dataclasses.replace(SETTINGS, seed=seed)
        return evaluate({"m": Table(table), "n": SongsOnly(table)}, pairs, galleries(30, 20), settings)

    first = run(0)
    assert first == run(0)
    assert first != run(1)
    plain = json.loads(json.dumps(first.to_dict(), allow_nan=False))
    assert plain["format"] == 1
    assert plain["galleries"] == {"movies": 20, "tracks": 30}
    assert plain["pairs"] == {"pairs": 3, "movies": 2, "tracks": 3}
    assert plain["settings"]["draws"] == 200
    recall = direction(first, "m", "tracks").recall["10"]
    entry = plain["directions"][0]
    assert (entry["method"], entry["source"], entry["target"]) == ("m", "tracks", "movies")
    assert entry["recall"]["10"] == {"value": recall.value, "low": recall.low, "high": recall.high}
    assert plain["directions"][3]["supported"] is False


def test_a_ratio_to_nothing_is_null_in_json_and_infinite_in_print() -> None:
    methods = {"segue": Table(np.eye(30)), "none": Table(-np.eye(30))}
    got = evaluate(methods, pairs_of((1, 1), (2, 2)), galleries(30, 30), SETTINGS)
    assert got.to_dict()["comparisons"][0]["ratio"] == {"value": None, "low": None, "high": None}
    assert "∞ [∞, ∞]" in format_table(got)


def test_the_printed_table_holds_figures_intervals_and_gallery_sizes() -> None:
    got = evaluate({"segue": Table(SAME)}, pairs_of((0, 0), (1, 1)), galleries(12, 12), SETTINGS)
    got = dataclasses.replace(got, labels=(evaluate_mood("m", "valence", np.arange(3), np.arange(3)),))
    text = format_table(got)
    assert "song → film: 12 films ranked for 2 queries, 2 pairs" in text
    assert "film → song: 12 songs ranked for 2 queries, 2 pairs" in text
    assert "50.00 [0.00, 100.00]  100.00 [100.00, 100.00]" in text
    assert "valence  m       R²       1.000 [1.000, 1.000]" in text


class Bad(Table):
    def scores(self, source: Medium, rows: np.ndarray, target: Medium) -> np.ndarray:
        return super().scores(source, rows, target)[:, :-1]


def test_wrong_shapes_nan_and_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"bad: scores of shape \(1, 11\), expected \(1, 12\)"):
        evaluate({"bad": Bad(SAME)}, pairs_of((0, 0)), galleries(12, 12), SETTINGS)
    with pytest.raises(ValueError, match="nan: scores hold NaN"):
        evaluate({"nan": Table(SAME * np.nan)}, pairs_of((0, 0)), galleries(12, 12), SETTINGS)
    with pytest.raises(InputError, match="no pairs"):
        evaluate({"m": Table(SAME)}, Pairs(np.array([], int), np.array([], int)), galleries(12, 12))
    with pytest.raises(InputError, match="no methods"):
        evaluate({}, pairs_of((0, 0)), galleries(12, 12))


# --- pairs ---------------------------------------------------------------------------------------------------

MOVIES, TRACKS = {"11": 0, "12": 1, "13": 2}, {"a": 5, "b": 6, "also b": 6}


def write(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_are_matched_and_what_is_not_is_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufefftrack_id,movie,tmdb_id\nb,x,12\na,x,11\n zz ,x,99\nzz,x,11\n,x,13\nalso b,x,12\n",
    )
    got = read_pairs(path, MOVIES, TRACKS)
    assert got.movie_rows.tolist() == [0, 1]
    assert got.track_rows.tolist() == [5, 6]
    assert got.counts == {
        "lines": 6,
        "unmatched_lines": 3,
        "unmatched_movie_ids": 1,
        "unmatched_track_ids": 2,
        "repeated_lines": 1,
    }


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("tmdb_id,song\n11,a\n", MissingColumn, "pairs.csv has no column track_id"),
        ("", MissingColumn, "no column tmdb_id and no column track_id"),
        ("tmdb_id,track_id\n", InputError, "pairs.csv holds no pairs"),
        ("tmdb_id,track_id\n99,a\n", InputError, "none of its 1 pairs"),
    ],
)
def test_unusable_pairs_are_refused(tmp_path: Path, text: str, error: type[InputError], message: str) -> None:
    with pytest.raises(error, match=message):
        read_pairs(write(tmp_path, text), MOVIES, TRACKS)


def test_a_missing_or_binary_pairs_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"nowhere\.csv"):
        read_pairs(tmp_path / "nowhere.csv", MOVIES, TRACKS)
    (tmp_path / "pairs.csv").write_bytes(b"tmdb_id,track_id\n\xff\xfe")
    with pytest.raises(UnreadableFile, match=r"pairs\.csv"):
        read_pairs(tmp_path / "pairs.csv", MOVIES, TRACKS)


def test_pairs_trained_on_by_film_or_by_any_artist_are_left_out() -> None:
    pairs = Pairs(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 3]), {"lines": 4})
    artists = [("X",), ("Y",), ("Y", "Queen"), ("Z",)]
    got = leave_out_trained(pairs, ["11", "12", "13"], artists, {"11"}, {"QUEEN", "x"})
    assert got.movie_rows.tolist() == [1, 2]
    assert got.track_rows.tolist() == [1, 3]
    assert got.counts == {"lines": 4, "trained_movie_pairs": 1, "trained_artist_pairs": 2}
    with pytest.raises(InputError, match="no pair is left"):
        leave_out_trained(pairs, ["11", "12", "13"], artists, {"11", "12", "13"}, set())


# --- labels --------------------------------------------------------------------------------------------------


def test_tags_find_their_films_by_hand() -> None:
    scores = {"dark": [9, 8, 7, 0, 0, 0], "funny": [0, 0, 0, 1, 2, 3]}
    asked: list[int] = []

    def score_texts(texts: Sequence[str]) -> np.ndarray:
        asked.append(len(texts))
        return np.array([scores[text] for text in texts], dtype=np.float32)

    tags, films = ["dark", "dark", "dark", "funny"], np.array([0, 1, 5, 5])
    micro, macro = evaluate_tags("m", score_texts, tags, films, SETTINGS, k=2)
    assert micro.figure.value == pytest.approx(3 / 4)
    assert macro.figure.value == pytest.approx((2 / 3 + 1) / 2)
    assert (micro.gallery, micro.queries, micro.examples) == (6, 2, 4)
    assert micro.measure == "recall@2, mean over pairs"
    assert micro.figure.low <= 0.75 <= micro.figure.high
    assert asked == [1, 1]
    with pytest.raises(InputError, match="no tagged films"):
        evaluate_tags("m", score_texts, [], np.array([], dtype=np.int64))


def test_emotion_words_are_ranked_among_labelled_songs_only() -> None:
    def score_texts(texts: Sequence[str]) -> np.ndarray:
        line = {"calm": np.arange(20.0), "angry": np.zeros(20)}[texts[0]]
        return line[None].astype(np.float32)

    rows = np.arange(10, 20)[::-1]
    words = [["calm"] if i < 5 else ["angry", "rare"] if i == 5 else ["angry"] for i in range(10)]
    got = evaluate_emotion_words("m", score_texts, rows, words, SETTINGS)
    # "calm" is perfect, "angry" says nothing, "rare" has too few songs.
    assert got.figure == Interval(0.75, 0.5, 1.0)
    assert (got.gallery, got.queries, got.examples) == (10, 2, 10)
    with pytest.raises(InputError, match="no emotion word has 6 songs"):
        evaluate_emotion_words("m", score_texts, rows, words, SETTINGS, least=6)


def test_mood_is_r_squared_and_unknown_predictions_are_refused() -> None:
    actual = np.random.default_rng(0).normal(size=400)
    got = evaluate_mood("m", "valence", actual, actual * 0.5, settings=SETTINGS)
    # Half of a centred label leaves a quarter of its variance.
    assert got.figure.value == pytest.approx(0.75, abs=0.01)
    assert got.figure.low <= got.figure.value <= got.figure.high
    assert got.figure.high - got.figure.low < 0.05
    artists = np.arange(400) // 2
    assert evaluate_mood("m", "valence", actual, actual, artists).figure == Interval(1.0, 1.0, 1.0)
    # One artist's songs at 0 and 2, another's at 10 and 12, each predicted at the artist's mean: a draw of
    # one artist alone leaves nothing explained, its own mean being the prediction.
    few = evaluate_mood(
        "m", "arousal", np.array([0, 2, 10, 12]), np.array([1, 1, 11, 11]), np.array([0, 0, 1, 1])
    )
    assert few.figure == Interval(pytest.approx(1 - 4 / 104), 0.0, pytest.approx(1 - 4 / 104))
    with pytest.raises(ValueError, match="valence"):
        evaluate_mood("m", "valence", actual, np.where(actual > 0, np.nan, 0))
