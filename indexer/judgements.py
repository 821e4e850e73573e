"""Answers judged by people who know both works: what an index version's lists are worth.

Questions are a CSV file with columns ``query,target,kind,id,text`` (``kind``: track, movie or text); judgements one
with ``query,target,item,grade,word_only``, the grades 0 (wrong) to 3 (a soulmate), ``word_only`` 1 where nothing but a
word is shared; suggestions one with ``query,target,title,artist_or_year``, what a critic would have said from memory.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, Movie
from indexer.errors import InputError, MissingColumn, UnknownItem, UnreadableFile
from indexer.features.mood_text import Understood
from indexer.index_version import IndexVersion
from indexer.metrics import ClusterBootstrap, Interval
from indexer.ranking import Inputs, ask, rank
from indexer.score_curve import ScoreCurve
from indexer.space import MEDIA, NO_DIALS, CurveKey
from indexer.title_lookup import cut_tail, make_key

#: Length of the lists that are judged, and of those that suggestions are looked for in.
LIST, DEEP = 10, 100
GOOD = 2
GRADES = (0, 1, 2, 3)
_COMMON = frozenset(("the", "and", "for", "with", "from", "feat", "version", "remaster", "remastered", "you"))
_WORD = re.compile(r"\w{3,}")

JudgedItem = tuple[str, Medium, str]


class Question(NamedTuple):
    """A question: what is asked with (``kind``: track, movie or text; ``id`` or ``text``) and what is to be found."""

    query: str
    target: Medium
    kind: str
    id: str
    text: str

    @property
    def direction(self) -> str:
        """Who asks and who answers, as in "text → movies"."""
        return f"{self.kind} → {self.target}"


class Grade(NamedTuple):
    """A judgement of one answer."""

    grade: int
    word_only: bool


@dataclass(frozen=True)
class Answered:
    """The first answers to a question: ids and names, what the deeper list names, and the query vector (dimension,)."""

    question: Question
    vector: npt.NDArray[np.float32]
    ids: tuple[str, ...]
    names: tuple[str, ...]
    deep_names: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class JudgedFigures:
    """What lists of one direction are worth, by question; intervals draw whole questions.

    ``good``: share of judged answers of grade 2 or 3; ``judged``: share of answers that have a grade at all; ``ndcg``
    is over the judged answers of each question; ``shares_word``: answers with a word of the question in their name;
    ``suggested_10`` and ``suggested_100``: share of the suggestions in the catalogue that are found so early.
    """

    direction: str
    questions: int
    judged: float
    good: Interval
    grade: Interval
    ndcg: Interval
    word_only: Interval
    shares_word: float
    suggested_10: float | None
    suggested_100: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def read_questions(path: Path) -> list[Question]:
    """Read questions; raises ``UnreadableFile``, ``MissingColumn`` or ``InputError``."""
    found = []
    for row in _read(path, "query", "target", "kind", "id", "text"):
        if row["target"] not in MEDIA or row["kind"] not in ("track", "movie", "text"):
            raise InputError(
                f"{path.name}: a question is of kind track, movie or text, and for movies or tracks: {row}"
            )
        found.append(Question(row["query"], row["target"], row["kind"], row["id"], row["text"]))
    return found


def read_judgements(path: Path) -> dict[JudgedItem, Grade]:
    """Read judgements; raises ``UnreadableFile``, ``MissingColumn`` or ``InputError``."""
    found: dict[JudgedItem, Grade] = {}
    for row in _read(path, "query", "target", "item", "grade", "word_only"):
        if row["grade"] not in map(str, GRADES):
            raise InputError(f"{path.name}: a grade is 0, 1, 2 or 3, not {row['grade']!r}")
        key = (row["query"], cast(Medium, row["target"]), row["item"])
        found[key] = Grade(int(row["grade"]), row["word_only"] == "1")
    return found


def answer_questions(version: IndexVersion, questions: Sequence[Question]) -> list[Answered]:
    """The lists that a version gives, as users get them; questions whose item is not in it are left out."""
    store = version.store
    answered = []
    for question in questions:
        rows: dict[Medium, list[int]] = {medium: [] for medium in MEDIA}
        texts: tuple[Understood, ...] = ()
        if question.kind == "text":
            texts = (version.space.readers.text.understand(question.text, version.encoder.encode),)
        else:
            medium: Medium = "tracks" if question.kind == "track" else "movies"
            try:
                rows[medium] = [store.row(medium, question.id)]
            except UnknownItem:
                continue
        asked = ask(version, Inputs(rows, texts), Inputs({medium: [] for medium in MEDIA}), NO_DIALS)
        found, _ = rank(version, asked, question.target, DEEP, None, rows[question.target], unique=True)
        items = store.movies(found.tolist()) if question.target == "movies" else store.tracks(found.tolist())
        answered.append(
            Answered(
                question,
                asked.vector,
                tuple(item.id for item in items[:LIST]),
                tuple(_name(item) for item in items[:LIST]),
                tuple(_identify(item) for item in items),
            )
        )
    return answered


def measure(
    answered: Sequence[Answered],
    judgements: Mapping[JudgedItem, Grade],
    suggestions: Path | None,
    version: IndexVersion,
    draws: int = 1000,
    seed: int = 0,
) -> list[JudgedFigures]:
    """Figures by direction, of the answers that have a grade."""
    wanted = _read_suggestions(suggestions, version) if suggestions is not None else {}
    figures = []
    for direction in dict.fromkeys(one.question.direction for one in answered):
        some = [one for one in answered if one.question.direction == direction]
        lists = [_grades(one, judgements) for one in some]
        of = np.repeat(np.arange(len(some)), [len(grades) for grades in lists])
        grades = np.array([grade.grade for grades in lists for grade in grades], dtype=np.float64)
        puns = np.array([grade.word_only for grades in lists for grade in grades], dtype=np.float64)
        if not len(grades):
            continue
        bootstrap = ClusterBootstrap(of, draws, seed)
        pools = [_pool(one.question, judgements) for one in some]
        ndcg = np.array([_ndcg(grades, pool) for grades, pool in zip(lists, pools, strict=True)])
        shares = [_shares_word(one.question, name) for one in some for name in one.names]
        early = [_found(one, wanted.get(one.question[:2], frozenset())) for one in some]
        total = sum(count for count, _, _ in early)
        figures.append(
            JudgedFigures(
                direction,
                len(some),
                round(len(grades) / sum(len(one.ids) for one in some), 3),
                bootstrap.mean((grades >= GOOD).astype(np.float64)),
                bootstrap.mean(grades),
                ClusterBootstrap(np.arange(len(some)), draws, seed).mean(ndcg),
                bootstrap.mean(puns),
                0.0 if some[0].question.kind == "text" else round(float(np.mean(shares)), 3),
                round(sum(ten for _, ten, _ in early) / total, 3) if total else None,
                round(sum(deep for _, _, deep in early) / total, 3) if total else None,
            )
        )
    return figures


def fit_curves(
    version: IndexVersion, answered: Sequence[Answered], judgements: Mapping[JudgedItem, Grade]
) -> dict[CurveKey, ScoreCurve]:
    """Score curves, from raw scores to the chance of a good grade, by who asks and who answers.

    Fitted to every judged answer, whoever gave it, so that what lies far down has its place on the curve too.
    """
    vectors = {one.question[:2]: one for one in answered}
    scores: dict[CurveKey, list[tuple[float, bool]]] = defaultdict(list)
    for (query, target, item), grade in judgements.items():
        one = vectors.get((query, target))
        (row,) = version.store.known_rows(target, [item])
        if one is None or row is None:
            continue
        source = {"track": "tracks", "movie": "movies"}.get(one.question.kind, "text")
        raw = float(version.indexes[target].vectors([row])[0] @ one.vector)
        scores[source, target].append((raw, grade.grade >= GOOD))
    curves = {}
    for key, pairs in scores.items():
        values = np.array(pairs, dtype=np.float64)
        curves[key] = ScoreCurve.fit(values[:, 0], values[:, 1])
    return curves


def write_unjudged(path: Path, answered: Sequence[Answered], judgements: Mapping[JudgedItem, Grade]) -> int:
    """Write the answers that have no grade, in an order that tells nothing, for somebody to judge; how many."""
    rows = [
        (one.question.query, one.question.target, one.question.text, id, name)
        for one in answered
        for id, name in zip(one.ids, one.names, strict=True)
        if (one.question.query, one.question.target, id) not in judgements
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("query", "target", "text", "item", "name", "grade", "word_only"))
        writer.writerows((*rows[place], "", "") for place in order.tolist())
    return len(rows)


def merge_judgements(path: Path, graded: Path) -> int:
    """Add the grades of a file that ``write_unjudged`` wrote to the judgements at ``path``; how many were added."""
    known = read_judgements(path) if path.exists() and path.stat().st_size else {}
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    new = {}
    for row in _read(graded, "query", "target", "item", "grade", "word_only"):
        if row["grade"]:
            new[row["query"], cast(Medium, row["target"]), row["item"]] = row
    added = {key: row for key, row in new.items() if key not in known}
    for row in added.values():
        if row["grade"] not in map(str, GRADES):
            raise InputError(f"{graded.name}: a grade is 0, 1, 2 or 3, not {row['grade']!r}")
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if before and not before.endswith("\n"):
            file.write("\n")
        if not before:
            writer.writerow(("query", "target", "item", "grade", "word_only"))
        writer.writerows((*key, row["grade"], row["word_only"] or "0") for key, row in added.items())
    return len(added)


def show_figures(figures: Sequence[JudgedFigures]) -> str:
    """A table for a terminal."""
    lines = [
        f"{'':18}{'questions':>10}{'judged':>8}{'good':>22}{'grade':>22}"
        f"{'nDCG@10':>9}{'word only':>11}{'share word':>11}{'sugg. 10':>9}{'100':>6}"
    ]
    for one in figures:
        lines.append(
            f"{one.direction:18}{one.questions:>10}{one.judged:>8.0%}{_show(one.good, 100):>22}{_show(one.grade):>22}"
            f"{one.ndcg.value:>9.2f}{one.word_only.value:>11.1%}{one.shares_word:>11.1%}"
            f"{_share(one.suggested_10):>9}{_share(one.suggested_100):>6}"
        )
    return "\n".join(lines) + "\n"


def _show(figure: Interval, factor: float = 1.0) -> str:
    digits = 0 if factor > 1 else 2
    low, value, high = (f"{factor * part:.{digits}f}" for part in (figure.low, figure.value, figure.high))
    return f"{value} ({low}–{high})"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _grades(one: Answered, judgements: Mapping[JudgedItem, Grade]) -> list[Grade]:
    found = (judgements.get((one.question.query, one.question.target, id)) for id in one.ids)
    return [grade for grade in found if grade is not None]


def _pool(question: Question, judgements: Mapping[JudgedItem, Grade]) -> list[int]:
    """All grades given to a question's answers, best first."""
    return sorted(
        (grade.grade for (query, target, _), grade in judgements.items() if (query, target) == question[:2]),
        reverse=True,
    )


def _ndcg(grades: Sequence[Grade], pool: Sequence[int]) -> float:
    """nDCG@10 with gains 2^grade - 1 (Järvelin and Kekäläinen 2002) against the best list of the pool."""
    ideal = _gain(pool[: max(len(grades), 1)])
    return _gain([grade.grade for grade in grades]) / ideal if ideal else 0.0


def _gain(grades: Sequence[int]) -> float:
    return float(sum((2**grade - 1) / np.log2(place + 2) for place, grade in enumerate(grades[:LIST])))


def _words(text: str) -> set[str]:
    return {word for word in _WORD.findall(make_key(text)) if word not in _COMMON}


def _shares_word(question: Question, name: str) -> bool:
    return bool(_words(question.text) & _words(name))


def _name(item: Any) -> str:
    if isinstance(item, Movie):
        return f"{item.title} ({item.year})"
    return f"{item.title} — {', '.join(item.artists[:2])}"


def _identify(item: Any) -> tuple[str, str]:
    """What suggestions name an item by: folded title, and year or first artist."""
    if isinstance(item, Movie):
        return make_key(item.title), str(item.year)
    return make_key(cut_tail(item.title)), make_key(item.artists[0]) if item.artists else ""


def _read_suggestions(path: Path, version: IndexVersion) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """(query, target) → what is suggested and in the catalogue."""
    store = version.store
    there = {
        "movies": {_identify(item) for item in store.movies(range(store.count("movies")))},
        "tracks": {_identify(item) for item in store.tracks(range(store.count("tracks")))},
    }
    found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for row in _read(path, "query", "target", "title", "artist_or_year"):
        whose = row["artist_or_year"]
        key = (
            make_key(cut_tail(row["title"]) if row["target"] == "tracks" else row["title"]),
            make_key(whose),
        )
        if key in there[row["target"]]:
            found[row["query"], row["target"]].add(key)
    return {question: frozenset(keys) for question, keys in found.items()}


def _found(one: Answered, wanted: frozenset[tuple[str, str]]) -> tuple[int, int, int]:
    """How many suggestions there are, and how many of them are among the first ten and hundred."""
    return len(wanted), len(wanted & set(one.deep_names[:LIST])), len(wanted & set(one.deep_names))


def _read(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for name in columns:
                if name not in (reader.fieldnames or ()):
                    raise MissingColumn(f"{path.name} has no column {name}; it needs {', '.join(columns)}")
            for row in reader:
                yield {name: (row[name] or "").strip() for name in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(f"{path}: cannot be read as a CSV file: {error}") from error
