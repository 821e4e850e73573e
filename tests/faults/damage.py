"""Every file of a version cut short, flipped or gone: all refused by name before FAISS reads a byte."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import faiss

from indexer import index_folder
from indexer import index_version as versions
from indexer.errors import VersionError
from tests.faults.children import last_words, run_child
from tests.faults.small_index import start_warm
from tests.faults.verdict import Verdict

CLAIM = "each is refused with a VersionError that names the file, before FAISS is asked to read anything"
_SECTOR_BYTES = 512


def run_damage(cases: int, seed: int, indexes: Path | None = None) -> Verdict:
    """Damage at least ``cases`` files of a version (default: a small one), each judged in a process of its own.

    ``indexes``: a folder whose served version is taken instead; it is copied, never changed.
    """
    verdict = Verdict("damage", CLAIM)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as made:
        source = indexes or start_warm(Path(made)).indexes
        name = index_folder.current_name(source)
        copy = Path(made) / "damaged"
        shutil.copytree(source / name, copy / name)
        (copy / "CURRENT").write_text(f"{name}\n", encoding="utf-8")
        files = sorted(path for path in (copy / name).rglob("*") if path.is_file())
        whole = run_child(lambda: _open(copy))
        seen = whole.value is not None and whole.value["opened"] and whole.value["reads"] > 0
        verdict.expect(seen, f"the spy does not see FAISS read the whole version: {last_words(whole)}")
        kinds = list(_KINDS)
        for case in range(-(-cases // len(files)) * len(files)):
            path = files[case % len(files)]
            kind = kinds[(case + case // len(files)) % len(kinds)]
            with _damaged(path, kind, chance) as where:
                outcome = run_child(lambda: _open(copy))
            verdict.count(kind)
            about = f"{path.relative_to(copy / name)}, {kind} at {where} (seed {seed})"
            found = outcome.value
            if not verdict.expect(found is not None, f"{about}: it crashes: {last_words(outcome)}"):
                continue
            if not verdict.expect(not found["opened"], f"{about}: it opens"):
                continue
            verdict.expect(found["refused"], f"{about}: {found['error']} instead of a VersionError")
            verdict.expect(path.name in found["error"], f"{about}: not named in {found['error']!r}")
            verdict.expect(found["reads"] == 0, f"{about}: FAISS read {found['reads']} times before")
        after = run_child(lambda: _open(copy))
        verdict.expect(after.value == whole.value, "the copy was not the same again after its repairs")
        verdict.figures |= {"files": len(files), "cases": sum(verdict.counts.values())}
    return verdict.finish()


def _open(indexes: Path) -> dict[str, Any]:
    """Open what is served, counting how often FAISS is asked to read."""
    reads = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            nonlocal reads
            reads += 1
            return real(*args, **named)

        return call

    with ExitStack() as patches:
        for name in dir(faiss):
            if name.startswith(("read_", "deserialize_")) and callable(getattr(faiss, name)):
                patches.enter_context(mock.patch.object(faiss, name, counted(getattr(faiss, name))))
        # Whatever the indexer puts around FAISS counts as FAISS.
        real = vars(versions)["open_index"]
        patches.enter_context(mock.patch.object(versions, "open_index", counted(real)))
        try:
            versions.open_version(indexes).close()
        except Exception as error:  # noqa: BLE001 - its kind is the question
            refused = isinstance(error, VersionError)
            text = str(error) if refused else f"{type(error).__name__}: {error}"
            return {"opened": False, "refused": refused, "error": text, "reads": reads}
    return {"opened": True, "refused": False, "error": "", "reads": reads}


@contextmanager
def _damaged(path: Path, kind: str, chance: random.Random) -> Iterator[int]:
    """Damage a file for a while; gives the byte where."""
    whole = path.read_bytes()
    where, broken = _KINDS[kind](whole, chance)
    if broken is None:
        path.unlink()
    else:
        assert broken != whole
        path.write_bytes(broken)
    try:
        yield where
    finally:
        path.write_bytes(whole)


def _cut(whole: bytes, chance: random.Random) -> tuple[int, bytes]:
    where = chance.randrange(len(whole))
    return where, whole[:where]


def _flip(whole: bytes, where: int, mask: int) -> tuple[int, bytes]:
    return where, whole[:where] + bytes([whole[where] ^ mask]) + whole[where + 1 :]


def _lose_sector(whole: bytes, chance: random.Random) -> tuple[int, bytes]:
    where = chance.randrange(len(whole)) // _SECTOR_BYTES * _SECTOR_BYTES
    lost = whole[where : where + _SECTOR_BYTES]
    # A sector of zeros that was lost is no damage, so such a one comes back as ones.
    blank = b"\xff" if not any(lost) else b"\0"
    return where, whole[:where] + blank * len(lost) + whole[where + _SECTOR_BYTES :]


_KINDS: dict[str, Callable[[bytes, random.Random], tuple[int, bytes | None]]] = {
    "gone": lambda _whole, _chance: (0, None),
    "emptied": lambda _whole, _chance: (0, b""),
    "last byte cut": lambda whole, _chance: (len(whole) - 1, whole[:-1]),
    "first byte flipped": lambda whole, chance: _flip(whole, 0, 1 << chance.randrange(8)),
    "last byte flipped": lambda whole, chance: _flip(whole, len(whole) - 1, 1 << chance.randrange(8)),
    "cut": _cut,
    "bit flipped": lambda whole, chance: _flip(whole, chance.randrange(len(whole)), 1 << chance.randrange(8)),
    "byte changed": lambda whole, chance: _flip(
        whole, chance.randrange(len(whole)), chance.randrange(1, 256)
    ),
    "sector lost": _lose_sector,
    "byte added": lambda whole, chance: (len(whole), whole + bytes([chance.randrange(256)])),
}
