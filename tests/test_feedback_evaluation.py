"""What feedback amounts to: measures on small cases, the CSV file, and the command line."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from indexer.__main__ import main
from indexer.errors import MissingColumn, UnreadableFile
from indexer.feedback import COLUMNS, Judgement, read_csv, write_csv
from indexer.feedback_measures import clustered, measure, wilson
from server.feedback_store import FeedbackStore

UP = Judgement("verdict", date(2026, 1, 2), "v1", "movies", "segue", "up", '{"text": "rain"}', "680", 1)
DOWN = replace(UP, said="down", rank=3, id="681")
WIN = Judgement("vote", date(2026, 1, 3), "v1", "tracks", "text-cosine", "win", '{"movies": ["680"]}')
#: Two questions: three verdicts on the first, of which one beyond rank 5, and one on the second.
SAID = [
    UP,
    DOWN,
    replace(UP, rank=7, id="682"),
    replace(DOWN, query='{"text": "sun"}', rank=1, id="683"),
    replace(UP, method="random", target="tracks", rank=12),
    WIN,
    WIN,
    replace(WIN, said="loss"),
    replace(WIN, said="tie"),
    replace(WIN, index_version="v2", said="tie"),
]


def test_wilson_is_the_published_interval():
    # Newcombe (1998), table I: 81 of 263, and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(0, 0) is None


def test_verdicts_that_agree_within_a_query_count_less():
    # Each query says one thing ten times: no more than one verdict a query.
    together, apart = clustered([10, 0, 10, 0], [10] * 4), clustered([1, 0] * 20, [1] * 40)
    assert together is not None
    assert apart is not None
    assert together == pytest.approx(wilson(1.5, 3))
    assert apart == pytest.approx(wilson(19.5, 39))


def test_spread_evenly_over_queries_they_count_in_full_but_no_more():
    assert clustered([5, 5, 5, 5], [10] * 4) == wilson(
        2.0, 4.0
    )  # nothing varies: as many as there are queries
    assert clustered([6, 4, 5, 5], [10] * 4) == wilson(20.0, 40.0)


def test_where_all_agree_each_query_counts_once():
    assert clustered([3, 3], [3, 3]) == wilson(2.0, 2.0)
    assert clustered([9], [9]) == wilson(1.0, 1.0)
    assert clustered([], []) is None


def test_precision_is_of_judged_hits_within_the_rank():
    report = measure(SAID)
    shown = {(one.method, one.target): one.at for one in report.precision}
    assert list(shown) == [("random", "tracks"), ("segue", "movies")]
    at = shown["segue", "movies"]
    assert [(p.k, p.verdicts, p.queries, p.share) for p in at] == [
        (1, 2, 2, 0.5),
        (5, 3, 2, 1 / 3),
        (10, 4, 2, 0.5),
    ]
    assert [p.judged for p in at] == [1.0, 0.3, 0.2]
    # Beyond rank 10 nothing is measured, and nothing made up.
    assert [(p.verdicts, p.share, p.interval) for p in shown["random", "tracks"]] == [(0, None, None)] * 3


def test_votes_are_tallied_by_version():
    votes = measure(SAID).votes
    assert [(version, t.against, t.wins, t.losses, t.ties, t.share) for version, t in votes] == [
        ("v1", "text-cosine", 2, 1, 1, 2 / 3),
        ("v2", "text-cosine", 0, 0, 1, None),
    ]
    assert votes[0][1].interval == wilson(2, 3)


def test_a_file_gives_back_what_was_written(tmp_path):
    file = tmp_path / "feedback.csv"
    odd = replace(UP, query='{"text": "a, \\"b\\"\\n=1+1"}', id="id, with “marks”\n")
    assert write_csv([odd, WIN], file) == 2
    assert list(read_csv(file)) == [odd, WIN]
    assert [path.name for path in tmp_path.iterdir()] == ["feedback.csv"]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("kind", "opinion"),
        ("day", "yesterday"),
        ("target", "books"),
        ("said", "win"),
        ("rank", "0"),
        ("rank", "first"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path, column, cell):
    file = tmp_path / "feedback.csv"
    write_csv([UP, UP], file)
    lines = file.read_text(encoding="utf-8").splitlines()
    cells = ["verdict", "2026-01-02", "v1", "movies", "segue", "up", "{}", "680", "1"]
    cells[COLUMNS.index(column)] = cell
    file.write_text("\n".join([*lines[:2], ",".join(cells)]), encoding="utf-8")
    with pytest.raises(UnreadableFile, match=r"feedback\.csv cannot be read as feedback, line 3"):
        list(read_csv(file))


def test_a_missing_column_is_named(tmp_path):
    file = tmp_path / "feedback.csv"
    file.write_text("kind,day\nverdict,2026-01-02\n", encoding="utf-8")
    with pytest.raises(MissingColumn, match="has no column index_version"):
        list(read_csv(file))


@pytest.fixture
def indexes(tmp_path: Path) -> Path:
    """A folder with feedback beside no version at all: neither command needs one."""
    store = FeedbackStore(tmp_path / "feedback.sqlite")
    for number, judgement in enumerate(SAID):
        store.put(f"key {number}", judgement)
    return tmp_path


def test_it_is_exported_without_keys(indexes, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["feedback", "export", "--indexes", str(indexes), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"10 judgements are in {out}\n"
    assert out.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)
    assert sorted(read_csv(out), key=repr) == sorted(SAID, key=repr)
    by_url = tmp_path / "by_url.csv"
    url = f"sqlite:///{indexes / 'feedback.sqlite'}"
    assert main(["feedback", "export", "--url", url, "--out", str(by_url)]) == 0
    assert by_url.read_bytes() == out.read_bytes()


def test_evaluate_reads_a_file_a_database_and_a_url_alike(indexes, tmp_path, capsys):
    out, told = tmp_path / "out.csv", tmp_path / "told.json"
    main(["feedback", "export", "--indexes", str(indexes), "--out", str(out)])
    capsys.readouterr()
    file = indexes / "feedback.sqlite"
    printed = []
    for source in (str(out), str(file), f"sqlite:///{file}"):
        assert main(["evaluate", "--feedback", source, "--json", str(told)]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[1:] == printed[:1] * 2
    lines = printed[0].splitlines()
    low, high = wilson(0.5, 1)  # type: ignore[misc]
    assert "segue in v1, movies found" in lines
    expected = f"50.0 % ({100 * low:.1f}–{100 * high:.1f})"
    assert any(
        "precision at 1 " in line and expected in line and "2 verdicts, 2 queries" in line for line in lines
    )
    assert any(
        "segue against text-cosine in v1: 2 better, 1 worse, 1 neither; 66.7 %" in line for line in lines
    )
    figures = json.loads(told.read_text(encoding="utf-8"))
    assert figures["verdicts"] == 5
    assert [one["at"][2]["share"] for one in figures["precision"]] == [None, 0.5]
    assert math.isclose(figures["votes"][0]["share"], 2 / 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "--feedback", "absent.csv"], "absent.csv cannot be read"),
        (["evaluate", "--feedback", "absent.sqlite"], "there is no feedback yet: absent.sqlite is missing"),
        (["evaluate", "--feedback", "nonsense://x"], "Nothing that is installed here speaks to the database"),
        (["evaluate", "--feedback", "a.csv", "--html"], "there is no page of feedback"),
        (["feedback", "export", "--out", "absent/a.csv"], "there is no folder absent"),
        (["feedback", "export", "--out", "a.csv", "--indexes", "absent"], "there is no feedback yet"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_1(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_pairs_and_feedback_are_measured_apart(tmp_path):
    with pytest.raises(SystemExit) as refusal:
        main(["evaluate", "--feedback", "a.csv", "--pairs", "b.csv"])
    assert refusal.value.code == 2
