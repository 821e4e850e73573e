"""Answers judged by people: files read and written, and figures worked out by hand."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import InputError, MissingColumn, UnreadableFile
from indexer.index_version import IndexVersion, open_version
from indexer.judgements import (
    Answered,
    Grade,
    JudgedItem,
    Question,
    answer_questions,
    fit_curves,
    measure,
    merge_judgements,
    read_judgements,
    read_questions,
    show_figures,
    write_unjudged,
)
from indexer.score_curve import ScoreCurve
from server.search import Query, Search

FILM, SONG = "casablanca-1942", "stevie-wonder-superstition"
ABOUT_SONG = Question("q1", "movies", "track", SONG, "Superstition — Stevie Wonder")
ABOUT_TEXT = Question("q2", "tracks", "text", "", "a quiet winter in the mountains")
HEADER = "query,target,item,grade,word_only"


@pytest.fixture(scope="module")
def version(starter_indexes: Path) -> Iterator[IndexVersion]:
    opened = open_version(starter_indexes)
    yield opened
    opened.close()


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def answered(question: Question, *ids: str, names: Sequence[str] = ()) -> Answered:
    return Answered(question, np.zeros(1, dtype=np.float32), ids, tuple(names or ids), ())


def graded(question: Question, **grades: int) -> dict[JudgedItem, Grade]:
    return {(question.query, question.target, id): Grade(grade, False) for id, grade in grades.items()}


# --- files ---------------------------------------------------------------------------------------------------


def test_questions_are_read(tmp_path: Path) -> None:
    lines = (
        f"q1,movies,track,{SONG},Superstition — Stevie Wonder",
        "q2,tracks,text,,a quiet winter in the mountains",
    )
    found = read_questions(write(tmp_path / "questions.csv", "query,target,kind,id,text", *lines))
    assert found == [ABOUT_SONG, ABOUT_TEXT]
    assert [question.direction for question in found] == ["track → movies", "text → tracks"]


@pytest.mark.parametrize("line", ["q,films,text,,x", "q,movies,song,1,x"])
def test_a_question_for_or_of_nothing_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match="a question is of kind"):
        read_questions(write(tmp_path / "questions.csv", "query,target,kind,id,text", line))


def test_judgements_are_read(tmp_path: Path) -> None:
    found = read_judgements(write(tmp_path / "graded.csv", HEADER, "q1,movies,a,3,0", "q1,movies,b, 0 ,1"))
    assert found == {("q1", "movies", "a"): Grade(3, False), ("q1", "movies", "b"): Grade(0, True)}


@pytest.mark.parametrize("grade", ["4", "-1", "", "good"])
def test_a_grade_that_is_none_is_refused(tmp_path: Path, grade: str) -> None:
    with pytest.raises(InputError, match="a grade is 0, 1, 2 or 3"):
        read_judgements(write(tmp_path / "graded.csv", HEADER, f"q1,movies,a,{grade},0"))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        read_judgements(tmp_path / "none.csv")
    with pytest.raises(MissingColumn, match="word_only"):
        read_judgements(write(tmp_path / "graded.csv", "query,target,item,grade"))


def test_what_is_not_judged_is_written_and_its_grades_are_added(tmp_path: Path) -> None:
    known, file = write(tmp_path / "known.csv", HEADER, "q1,movies,a,3,0"), tmp_path / "unjudged.csv"
    lists = [answered(ABOUT_SONG, "a", "b", "c", names=["A, the film", "B", "C"])]
    assert write_unjudged(file, lists, read_judgements(known)) == 2
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert {(row["item"], row["name"], row["grade"]) for row in rows} == {("b", "B", ""), ("c", "C", "")}
    assert {row["text"] for row in rows} == {ABOUT_SONG.text}
    # One of the two is graded; a grade for what has one already changes nothing.
    graded = write(tmp_path / "graded.csv", HEADER, "q1,movies,b,1,1", "q1,movies,c,,", "q1,movies,a,0,0")
    assert merge_judgements(known, graded) == 1
    assert read_judgements(known) == {
        ("q1", "movies", "a"): Grade(3, False),
        ("q1", "movies", "b"): Grade(1, True),
    }
    assert merge_judgements(tmp_path / "new.csv", graded) == 2
    assert len(read_judgements(tmp_path / "new.csv")) == 2


def test_a_grade_that_is_none_is_not_added(tmp_path: Path) -> None:
    known = write(tmp_path / "known.csv", HEADER, "q1,movies,a,3,0")
    before = known.read_bytes()
    with pytest.raises(InputError, match="a grade is"):
        merge_judgements(known, write(tmp_path / "graded.csv", HEADER, "q1,movies,b,2,0", "q1,movies,c,7,0"))
    assert known.read_bytes() == before


# --- figures -------------------------------------------------------------------------------------------------


def test_figures_by_hand(version: IndexVersion) -> None:
    names = ["Superstition, the Film", "B", "C", "The Wonder"]
    lists = [answered(ABOUT_SONG, "a", "b", "c", "d", names=names)]
    judgements = graded(ABOUT_SONG, a=3, b=0, c=2, elsewhere=1) | graded(ABOUT_TEXT, d=3)
    judgements["q1", "movies", "b"] = Grade(0, True)
    [figures] = measure(lists, judgements, None, version)
    assert (figures.direction, figures.questions, figures.judged) == ("track → movies", 1, 0.75)
    assert [figures.good.value, figures.grade.value, figures.word_only.value] == pytest.approx(
        [2 / 3, 5 / 3, 1 / 3], abs=1e-3
    )
    # Gains 7, 0 and 3 at places 1, 2 and 3, beside 7, 3 and 1 of the best list.
    assert figures.ndcg.value == pytest.approx((7 + 3 / 2) / (7 + 3 / math.log2(3) + 1 / 2), abs=1e-3)
    # "Superstition" and "Wonder" are words of the question.
    assert figures.shares_word == 0.5
    assert (figures.suggested_10, figures.suggested_100) == (None, None)
    assert "track → movies" in show_figures([figures])


def test_directions_are_told_apart_and_one_without_grades_is_left_out(version: IndexVersion) -> None:
    lists = [answered(ABOUT_SONG, "a"), answered(ABOUT_TEXT, "b", "c")]
    [figures] = measure(lists, graded(ABOUT_TEXT, b=1, c=2), None, version)
    assert (figures.direction, figures.good.value, figures.judged) == ("text → tracks", 0.5, 1.0)


def test_answers_are_those_that_users_get_and_suggestions_are_looked_for_in_them(
    version: IndexVersion, search: Search, tmp_path: Path
) -> None:
    stranger = Question("q3", "movies", "track", "nobody-knows", "?")
    lists = answer_questions(version, [ABOUT_SONG, stranger, ABOUT_TEXT])
    assert [one.question for one in lists] == [ABOUT_SONG, ABOUT_TEXT]
    for one, query in zip(
        lists, (Query("movies", tracks=(SONG,)), Query("tracks", text=ABOUT_TEXT.text)), strict=True
    ):
        hits = search.find(query).hits
        assert list(one.ids) == [hit.id for hit in hits]
        rows = version.store.rows(query.target, list(one.ids))
        raw = version.indexes[query.target].vectors(list(rows)) @ one.vector
        assert raw.tolist() == pytest.approx([hit.raw_score for hit in hits], abs=1e-5)
    early, late = (
        version.store.movies([version.store.row("movies", lists[0].ids[0])])[0],
        lists[0].deep_names[60],
    )
    suggestions = tmp_path / "suggestions.csv"
    with suggestions.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [
                ("query", "target", "title", "artist_or_year"),
                ("q1", "movies", early.title, early.year),
                ("q1", "movies", *late),
                ("q1", "movies", "Qwertz Harbour", 1990),
            ]
        )
    # What the catalogue does not hold is not missed.
    [figures] = measure(lists, graded(ABOUT_SONG, **{lists[0].ids[0]: 3}), suggestions, version)
    assert (figures.suggested_10, figures.suggested_100) == (0.5, 1.0)


def test_curves_are_fitted_to_every_graded_answer_whoever_gave_it(version: IndexVersion) -> None:
    [one] = answer_questions(version, [ABOUT_SONG])
    rows = list(range(240))
    raw = version.indexes["movies"].vectors(rows) @ one.vector
    grades = np.where(raw > np.median(raw), 2, 1)
    grades[::5] = 3 - grades[::5]
    judged = graded(ABOUT_SONG, **dict(zip(version.store.ids("movies", rows), grades.tolist(), strict=True)))
    found = fit_curves(version, [one], judged | graded(ABOUT_SONG, **{"nobody-knows": 3}))
    assert list(found) == [("tracks", "movies")]
    expected = ScoreCurve.fit(raw, grades >= 2)
    assert len(expected.knots) == 4
    assert found["tracks", "movies"].knots == pytest.approx(expected.knots, abs=1e-5)
    assert found["tracks", "movies"].logits == pytest.approx(expected.logits, abs=1e-5)
    texts = fit_curves(
        version, answer_questions(version, [ABOUT_TEXT]), graded(ABOUT_TEXT, **{SONG: 3}) | judged
    )
    assert texts == {("text", "tracks"): ScoreCurve()}
