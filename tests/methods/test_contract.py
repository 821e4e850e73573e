"""What every method must keep to, whatever it does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from indexer import methods
from indexer.catalogue.records import Medium
from indexer.errors import UnsupportedQuery, VersionDamaged
from indexer.methods.collaborative import Collaborative
from indexer.methods.crosstune import Crosstune
from indexer.methods.lyrics_cover import LyricsCover
from indexer.methods.method import Material, Method
from indexer.methods.music2movie import Music2Movie, Music2MovieAligned
from indexer.methods.popularity import Popularity
from indexer.methods.random_order import RandomOrder
from indexer.methods.spotiflix_clusters import SpotiflixClusters
from indexer.methods.spotiflix_mel import SpotiflixMel
from indexer.methods.spotiflix_sentiment import SpotiflixSentiment
from indexer.methods.text_cosine import TextCosine

ROOT = Path(__file__).resolve().parents[2]

Direction = tuple[Medium, Medium]
MEDIA: tuple[Medium, ...] = get_args(Medium)
EVERY: list[Direction] = [(source, target) for source in MEDIA for target in MEDIA]
ACROSS: list[Direction] = [("movies", "tracks"), ("tracks", "movies")]

#: Each method and the directions it answers; all others it must refuse.
METHODS: dict[type[Method], list[Direction]] = {
    Popularity: EVERY,
    RandomOrder: EVERY,
    TextCosine: EVERY,
    Crosstune: ACROSS,
    Music2Movie: ACROSS,
    Music2MovieAligned: ACROSS,
    SpotiflixSentiment: EVERY,
    SpotiflixClusters: ACROSS,
    SpotiflixMel: ACROSS,
    Collaborative: [("movies", "movies")],
    LyricsCover: [("tracks", "tracks")],
}
ANSWERED = [(kind, *way) for kind, ways in METHODS.items() for way in ways]
REFUSED = [(kind, *way) for kind, ways in METHODS.items() for way in EVERY if way not in ways]
HEAVY = {
    "pandas",
    "sklearn",
    "scipy",
    "torch",
    "textblob",
    "nltk",
    "vaderSentiment",
    "implicit",
    "pyarrow",
    "onnxruntime",
}

every_method = pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.name)
every_answer = pytest.mark.parametrize(
    ("kind", "source", "target"), ANSWERED, ids=[f"{k.name}-{s}-{t}" for k, s, t in ANSWERED]
)
every_refusal = pytest.mark.parametrize(
    ("kind", "source", "target"), REFUSED, ids=[f"{k.name}-{s}-{t}" for k, s, t in REFUSED]
)


@pytest.fixture(scope="module")
def fitted(material: Material) -> dict[type[Method], Method]:
    return {kind: kind.fit(material) for kind in METHODS}


@pytest.fixture
def written(fitted: dict[type[Method], Method], kind: type[Method], tmp_path: Path) -> Path:
    folder = tmp_path / "method"
    fitted[kind].write(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows(*positions: int) -> np.ndarray:
    return np.array(positions, dtype=np.int64)


def test_names_are_unique_and_said_in_one_line() -> None:
    assert len({kind.name for kind in METHODS}) == len(METHODS)
    assert all(kind.about and "\n" not in kind.about for kind in METHODS)


def test_the_registry_holds_exactly_these() -> None:
    assert {name: methods.get(name) for name in methods.names()} == {kind.name: kind for kind in METHODS}


@every_answer
def test_scores_are_one_finite_float32_per_row_and_item(
    fitted: dict[type[Method], Method], kind: type[Method], source: Medium, target: Medium
) -> None:
    scores = fitted[kind].scores(source, rows(0, 3, 6, 11), target)
    assert (scores.shape, scores.dtype) == ((4, 12), np.float32)
    assert np.isfinite(scores).all()
    assert fitted[kind].scores(source, rows(), target).shape == (0, 12)


@every_answer
def test_a_row_scores_the_same_alone_and_among_others(
    fitted: dict[type[Method], Method], kind: type[Method], source: Medium, target: Medium
) -> None:
    method = fitted[kind]
    alone = np.concatenate([method.scores(source, rows(row), target) for row in range(12)])
    np.testing.assert_allclose(
        method.scores(source, np.arange(12), target), alone, rtol=1e-6, atol=1e-6, strict=True
    )


@every_answer
def test_one_input_together_scores_as_that_input(
    fitted: dict[type[Method], Method], kind: type[Method], source: Medium, target: Medium
) -> None:
    method = fitted[kind]
    for row in range(12):
        together = method.scores_together({source: rows(row)}, target)
        np.testing.assert_array_equal(together, method.scores(source, rows(row), target)[0], strict=True)


@every_answer
def test_scores_belong_to_the_caller(
    fitted: dict[type[Method], Method], kind: type[Method], source: Medium, target: Medium
) -> None:
    method = fitted[kind]
    before = method.scores(source, rows(1), target).copy()
    method.scores(source, rows(1), target)[:] = 99
    method.scores_together({source: rows(1)}, target)[:] = 99
    np.testing.assert_array_equal(method.scores(source, rows(1), target), before)


@every_refusal
def test_a_direction_it_does_not_have_is_refused(
    fitted: dict[type[Method], Method], kind: type[Method], source: Medium, target: Medium
) -> None:
    with pytest.raises(UnsupportedQuery, match=kind.name) as refusal:
        fitted[kind].scores(source, rows(0), target)
    assert refusal.value.field in ("target", source)
    with pytest.raises(UnsupportedQuery, match=kind.name):
        fitted[kind].scores_together({source: rows(0)}, target)


@every_method
def test_fitting_again_writes_the_same_bytes(
    material: Material, kind: type[Method], written: Path, tmp_path: Path
) -> None:
    kind.fit(material).write(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(written)


@every_method
def test_what_is_written_is_plain_arrays_and_json(kind: type[Method], written: Path) -> None:
    assert {path.suffix for path in written.iterdir()} <= {".npy", ".json"}
    for path in written.glob("*.npy"):
        np.load(path, allow_pickle=False)


@every_method
def test_an_opened_method_is_the_one_that_was_written(
    fitted: dict[type[Method], Method], kind: type[Method], written: Path, tmp_path: Path
) -> None:
    opened = kind.open(written)
    for source, target in METHODS[kind]:
        np.testing.assert_array_equal(
            opened.scores(source, np.arange(12), target),
            fitted[kind].scores(source, np.arange(12), target),
            strict=True,
        )
    assert dict(opened.facts) == dict(fitted[kind].facts)
    assert json.loads(json.dumps(opened.facts)) == opened.facts
    opened.write(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(written)


@every_method
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "other"])
def test_any_damaged_file_is_told(kind: type[Method], written: Path, damage: str) -> None:
    for path in sorted(written.iterdir()):
        whole = path.read_bytes()
        if damage == "missing":
            path.unlink()
        else:
            path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "other": b"[1, 2]"}[damage])
        with pytest.raises(VersionDamaged):
            kind.open(written)
        path.write_bytes(whole)
    kind.open(written)


@every_method
def test_an_altered_byte_of_a_header_is_told_or_harmless(kind: type[Method], written: Path) -> None:
    # Found by trying all: NumPy raises ValueError, TypeError, SyntaxError or TokenError on these.
    for path in sorted(written.glob("*.npy")):
        whole = path.read_bytes()
        for place, byte in (
            (10, b"("),
            (10, b"}"),
            (11, b"#"),
            (20, b"("),
            (30, b'"'),
            (60, b"\x00"),
            (6, b"\x09"),
        ):
            path.write_bytes(whole[:place] + byte + whole[place + 1 :])
            with pytest.raises(VersionDamaged, match=path.name):
                kind.open(written)
        path.write_bytes(whole)


@every_method
def test_opening_and_scoring_need_numpy_alone(kind: type[Method], written: Path) -> None:
    source, target = METHODS[kind][0]
    code = f"""
import json, sys
from pathlib import Path
import numpy as np
from {kind.__module__} import {kind.__name__}
method = {kind.__name__}.open(Path({str(written)!r}))
method.scores({source!r}, np.array([1]), {target!r})
method.scores_together({{{source!r}: np.array([1, 2])}}, {target!r})
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split(".")[0] for name in json.loads(done.stdout)} & HEAVY == set()
