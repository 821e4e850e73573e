"""A switch of CURRENT that is cut short leaves nothing that outlives the next build."""

import os
import shutil
from pathlib import Path

import pytest

from indexer import index_folder
from indexer import index_version as versions


def make_folder(tmp_path: Path) -> Path:
    indexes = tmp_path / "indexes"
    for name in ("old", "new"):
        (indexes / name).mkdir(parents=True)
        (indexes / name / versions.MANIFEST).write_text("{}", encoding="utf-8")
    (indexes / "CURRENT").write_text("old\n", encoding="utf-8")
    return indexes


def test_a_switch_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indexes = make_folder(tmp_path)
    before = sorted(path.name for path in indexes.iterdir())

    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        index_folder.replace_text(indexes / "CURRENT", "new\n")
    assert sorted(path.name for path in indexes.iterdir()) == before
    assert index_folder.current_name(indexes) == "old"


def test_what_a_killed_switch_left_goes_with_the_next_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexes = make_folder(tmp_path)
    before = {path.name for path in indexes.iterdir()} | {".lock"}
    left = tmp_path / "left"

    def note(source: Path, target: Path) -> None:
        # The folder as a SIGKILL at this moment would leave it.
        shutil.copytree(indexes, left)
        os.rename(source, target)  # noqa: PTH104

    monkeypatch.setattr(os, "replace", note)
    index_folder.replace_text(indexes / "CURRENT", "new\n")
    with index_folder.lock(left), index_folder.new_folder(left):
        pass
    assert {path.name for path in left.iterdir()} == before
