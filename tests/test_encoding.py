"""Texts encoded once: rows taken over by content hash, and only from the same encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from indexer.encoding import EncodedTexts
from indexer.errors import VersionDamaged
from indexer.features.text_encoder import TextEncoder

WIDTH = 3


class CountingEncoder:
    """Length, number of “a” and a third, each time it is asked; keeps what it was asked for."""

    dimension = WIDTH

    def __init__(self, third: float = 1 / 3) -> None:
        self.asked: list[list[str]] = []
        self._third = third

    def encode_all(
        self, texts: Sequence[str], on_progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        self.asked.append(list(texts))
        if on_progress:
            on_progress(len(texts), len(texts))
        return np.array([[len(text), text.count("a"), self._third] for text in texts], dtype=np.float32)


def make_encoder_folder(folder: Path, content: str = "weights") -> Path:
    folder.mkdir()
    (folder / "model.onnx").write_text(content)
    (folder / "tokenizer.json").write_text("{}")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_encoder_folder(tmp_path / "encoder")


def keep_quiet(what: str, done: int, total: int) -> None:
    """Says nothing."""


def texts_of(encoder: CountingEncoder, model: Path, before: Path | None = None) -> EncodedTexts:
    return EncodedTexts(cast(TextEncoder, encoder), model, before, keep_quiet)


def write(texts: EncodedTexts, folder: Path) -> Path:
    folder.mkdir()
    texts.write(folder)
    return folder


def test_texts_are_encoded_in_their_order(model: Path) -> None:
    texts = texts_of(CountingEncoder(), model)
    rows = texts.encode(["banana", "ab"], "fruit")
    assert rows.dtype == np.float32
    assert rows[:, :2].tolist() == [[6, 3], [2, 1]]


def test_rows_are_rounded_as_they_are_kept(model: Path) -> None:
    # A third is not a float16: a row must be the same number fresh as it will be when taken over.
    [row] = texts_of(CountingEncoder(), model).encode(["a"], "x")
    assert row[2] == np.float32(np.float16(1 / 3))
    assert row[2] != np.float32(1 / 3)


def test_an_empty_text_is_zeros_and_is_not_encoded(model: Path) -> None:
    encoder = CountingEncoder()
    texts = texts_of(encoder, model)
    rows = texts.encode(["", "a", ""], "x")
    assert rows[0].tolist() == rows[2].tolist() == [0.0] * WIDTH
    assert rows[1, 1] == 1.0
    assert encoder.asked == [["a"]]
    assert (texts.encoded, texts.reused) == (1, 0)


def test_nothing_to_encode_loads_nothing(model: Path) -> None:
    encoder = CountingEncoder()
    texts = texts_of(encoder, model)
    assert texts.encode([], "x").shape == (0, WIDTH)
    assert texts.encode(["", ""], "x").tolist() == [[0.0] * WIDTH] * 2
    assert encoder.asked == []


def test_each_distinct_text_is_encoded_once(model: Path) -> None:
    encoder = CountingEncoder()
    texts = texts_of(encoder, model)
    rows = texts.encode(["a", "bb", "a"], "x")
    assert rows[:, 0].tolist() == [1, 2, 1]
    assert texts.encode(["bb", "ccc"], "y")[:, 0].tolist() == [2, 3]
    assert encoder.asked == [["a", "bb"], ["ccc"]]
    assert (texts.encoded, texts.reused) == (3, 0)


def test_a_later_build_takes_over_what_has_not_changed(model: Path, tmp_path: Path) -> None:
    first = texts_of(CountingEncoder(), model)
    rows = first.encode(["a", "bb"], "x")
    before = write(first, tmp_path / "before")
    # An encoder that would say something else, so that the rows show where they are from.
    encoder = CountingEncoder(third=9.0)
    later = texts_of(encoder, model, before)
    found = later.encode(["ccc", "a", "a"], "x")
    assert encoder.asked == [["ccc"]]
    assert found[1].tolist() == found[2].tolist() == rows[0].tolist()
    assert found[0].tolist() == [3.0, 0.0, 9.0]
    assert (later.encoded, later.reused) == (1, 1)
    # What it took over is there for the next one; what it no longer used is not.
    last_encoder = CountingEncoder()
    last = texts_of(last_encoder, model, write(later, tmp_path / "later"))
    last.encode(["a", "bb", "ccc"], "x")
    assert last_encoder.asked == [["bb"]]
    assert (last.encoded, last.reused) == (1, 2)


@pytest.mark.parametrize("changed", ["model.onnx", "tokenizer.json"])
def test_another_encoder_takes_nothing_over(model: Path, tmp_path: Path, changed: str) -> None:
    first = texts_of(CountingEncoder(), model)
    first.encode(["a"], "x")
    before = write(first, tmp_path / "before")
    other = make_encoder_folder(tmp_path / "other")
    (other / changed).write_text("something else")
    encoder = CountingEncoder()
    later = texts_of(encoder, other, before)
    later.encode(["a"], "x")
    assert encoder.asked == [["a"]]
    assert later.reused == 0


def test_the_same_encoder_elsewhere_is_the_same(model: Path, tmp_path: Path) -> None:
    first = texts_of(CountingEncoder(), model)
    first.encode(["a"], "x")
    encoder = CountingEncoder()
    moved = texts_of(encoder, make_encoder_folder(tmp_path / "moved"), write(first, tmp_path / "before"))
    moved.encode(["a"], "x")
    assert encoder.asked == []
    assert moved.reused == 1


def test_the_order_of_texts_does_not_change_what_is_written(model: Path, tmp_path: Path) -> None:
    one, other = texts_of(CountingEncoder(), model), texts_of(CountingEncoder(), model)
    one.encode(["a", "bb", "ccc"], "x")
    other.encode(["ccc"], "x")
    other.encode(["bb", "a", ""], "y")
    folders = write(one, tmp_path / "one"), write(other, tmp_path / "other")
    for name in ("texts.npy", "texts_keys.npy"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    keys, rows = (np.load(folders[0] / name) for name in ("texts_keys.npy", "texts.npy"))
    assert (keys.dtype, keys.shape, rows.dtype, rows.shape) == (np.uint8, (3, 16), np.float16, (3, WIDTH))
    assert sorted(rows[:, 0].tolist()) == [1.0, 2.0, 3.0]
    assert [key.tobytes() for key in keys] == sorted(key.tobytes() for key in keys)


def test_nothing_encoded_is_written_as_nothing(model: Path, tmp_path: Path) -> None:
    before = write(texts_of(CountingEncoder(), model), tmp_path / "before")
    later = texts_of(CountingEncoder(), model, before)
    later.encode(["a"], "x")
    assert (later.encoded, later.reused) == (1, 0)


def test_progress_is_told_by_what_is_encoded(model: Path) -> None:
    told: list[tuple[str, int, int]] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    texts = EncodedTexts(cast(TextEncoder, CountingEncoder()), model, None, tell)
    texts.encode(["a", "bb", "a", ""], "films")
    texts.encode(["a"], "songs")
    assert told == [("films", 2, 2)]


def test_a_version_before_that_cannot_be_read_is_damaged(model: Path, tmp_path: Path) -> None:
    first = texts_of(CountingEncoder(), model)
    first.encode(["a"], "x")
    before = write(first, tmp_path / "before")
    (before / "texts.npy").write_bytes(b"not an array")
    with pytest.raises(VersionDamaged, match=r"texts\.npy"):
        texts_of(CountingEncoder(), model, before)
