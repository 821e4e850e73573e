"""Fitted parameters come back as they were written, and damage is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from indexer.errors import VersionDamaged
from indexer.parameters import read_parameters, write_parameters


@dataclass(frozen=True)
class Inner:
    rows: npt.NDArray[np.float32]
    share: float


@dataclass(frozen=True)
class Outer:
    name: str
    flags: tuple[bool, ...]
    bounds: tuple[float, float]
    parts: tuple[Inner, ...]
    tables: tuple[npt.NDArray[np.int64], ...]
    inner: Inner
    missing: Inner | None
    there: Inner | None


INNER = Inner(np.array([[1.5, -2.0]], dtype=np.float32), 1.0)
OUTER = Outer(
    "é", (True, False), (0.1, 2.0), (INNER, INNER), (np.arange(3), np.arange(2)), INNER, None, INNER
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_parameters(tmp_path / "p", OUTER)
    found = read_parameters(Outer, tmp_path / "p")
    assert (found.name, found.flags, found.bounds, found.missing) == ("é", (True, False), (0.1, 2.0), None)
    assert [part.rows.tolist() for part in found.parts] == [[[1.5, -2.0]]] * 2
    assert [table.tolist() for table in found.tables] == [[0, 1, 2], [0, 1]]
    assert found.inner.rows.dtype == np.float32
    assert found.there is not None
    assert found.there.share == 1.0
    # What was read is for reading.
    with pytest.raises(ValueError, match="read-only"):
        found.inner.rows[0, 0] = 0.0


def test_the_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_parameters(tmp_path / name, OUTER)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "inner.rows.npy" in files
    assert "parts.1.rows.npy" in files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("inner.rows.npy", None),
        ("inner.rows.npy", b"\x93NUMPY"),
        ("parameters.json", None),
        ("parameters.json", b"{"),
        ("parameters.json", b"[]"),
        ("parameters.json", b'{"name": 3}'),
    ],
)
def test_damage_is_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    write_parameters(tmp_path / "p", OUTER)
    if content is None:
        (tmp_path / "p" / file).unlink()
    else:
        (tmp_path / "p" / file).write_bytes(content)
    with pytest.raises(VersionDamaged, match=r"p/parameters\.json cannot be read"):
        read_parameters(Outer, tmp_path / "p")


def test_what_has_no_form_on_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"inner\.share is a dict"):
        write_parameters(tmp_path / "p", Outer("", (), (0.0, 0.0), (), (), Inner(INNER.rows, {}), None, None))  # type: ignore[arg-type]
