"""What is on disk: nothing damaged is opened, and what is served is always whole."""

import json
import shutil
from pathlib import Path

import pytest

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.errors import PublishLocked, VersionDamaged, VersionError, VersionFormat, VersionNotFound


def served(indexes: Path) -> Path:
    return indexes / index_folder.current_name(indexes)


def twin(indexes: Path, name: str) -> str:
    shutil.copytree(served(indexes), indexes / name)
    return name


def test_the_manifest_counts_what_is_there(starter_indexes: Path) -> None:
    manifest = versions.verify(served(starter_indexes))
    assert manifest["format"] == versions.FORMAT
    assert manifest["counts"]["movies"] == 370
    assert manifest["metric"] == "inner_product"
    files = {
        p.relative_to(served(starter_indexes)).as_posix()
        for p in served(starter_indexes).rglob("*")
        if p.is_file()
    }
    assert set(manifest["files"]) == files - {versions.MANIFEST, versions.SEAL}


def test_every_file_truncated_flipped_or_gone_is_refused_by_name(indexes: Path) -> None:
    folder = served(indexes)
    files = [*versions.verify(folder)["files"], versions.MANIFEST, versions.SEAL]
    for file in files:
        path = folder / file
        whole = path.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :]
        for broken in (whole[:-1], b"", flipped, None):
            if broken is None:
                path.unlink()
            else:
                path.write_bytes(broken)
            with pytest.raises((VersionDamaged, VersionFormat), match=Path(file).name):
                versions.open_version(indexes)
            path.write_bytes(whole)
    versions.open_version(indexes).close()


def test_another_format_is_refused_and_named(indexes: Path) -> None:
    path = served(indexes) / versions.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(VersionFormat, match=r"manifest\.json.*99"):
        versions.open_version(indexes)


def test_counts_that_disagree_are_refused(indexes: Path) -> None:
    """A resealed version whose parts do not fit together: the hashes hold, the counts do not."""
    folder = served(indexes)
    partial = indexes / "resealed"
    shutil.copytree(folder, partial)
    manifest = json.loads((partial / versions.MANIFEST).read_text())
    (partial / versions.MANIFEST).unlink()
    (partial / versions.SEAL).unlink()
    manifest["counts"]["movies"] = 369
    name = versions.seal(partial, {k: v for k, v in manifest.items() if k not in ("files", "format")}, "odd")
    with pytest.raises(VersionDamaged, match="manifest says 369"):
        versions.open_version(indexes, name)


def test_a_damaged_version_is_not_published(indexes: Path) -> None:
    before = index_folder.current_name(indexes)
    other = twin(indexes, "other")
    (indexes / other / versions.CATALOGUE).write_bytes(b"")
    with pytest.raises(VersionDamaged, match=r"catalogue\.sqlite"):
        publication.publish(indexes, other)
    assert index_folder.current_name(indexes) == before


def test_rollback_goes_back_one_publication_at_a_time(indexes: Path) -> None:
    first = index_folder.current_name(indexes)
    for name in ("second", "third"):
        publication.publish(indexes, twin(indexes, name))
    assert publication.rollback(indexes) == "second"
    assert publication.rollback(indexes) == first
    assert index_folder.current_name(indexes) == first
    with pytest.raises(VersionError, match="no earlier version"):
        publication.rollback(indexes)


def test_prune_keeps_the_newest_and_the_served_one(indexes: Path) -> None:
    first = index_folder.current_name(indexes)
    for name in ("x1", "x2", "x3"):
        twin(indexes, name)
    (indexes / ".partial-99").mkdir()
    assert publication.prune(indexes, keep=1) == ["x1", "x2"]
    assert versions.list_names(indexes) == [first, "x3"]
    assert not (indexes / ".partial-99").exists()


def test_prune_keeps_what_a_running_server_may_still_answer_from(indexes: Path) -> None:
    first = index_folder.current_name(indexes)
    for name in ("x1", "x2", "x3"):
        twin(indexes, name)
    publication.publish(indexes, "x2")
    publication.publish(indexes, "x3")
    for name in ("x1", "x2"):
        index_folder.report_file(indexes, name).parent.mkdir(exist_ok=True)
        index_folder.report_file(indexes, name).write_text("report", encoding="utf-8")
    assert publication.prune(indexes, keep=0) == [first, "x1"]
    assert versions.list_names(indexes) == ["x2", "x3"]
    assert not index_folder.report_file(indexes, "x1").exists()
    assert index_folder.report_file(indexes, "x2").exists()
    assert publication.rollback(indexes) == "x2"


def test_a_second_holder_of_the_lock_is_told_at_once(tmp_path: Path) -> None:
    with (
        index_folder.lock(tmp_path),
        pytest.raises(PublishLocked, match="another build or publication"),
        index_folder.lock(tmp_path),
    ):
        pytest.fail("two hold one lock")
    with index_folder.lock(tmp_path):
        pass


@pytest.mark.parametrize("name", ["../elsewhere", ".partial-1", "a/b", "nothing"])
def test_what_is_no_version_is_not_found(indexes: Path, name: str) -> None:
    with pytest.raises(VersionNotFound):
        versions.open_version(indexes, name)


def test_nothing_published_says_how_to_build(tmp_path: Path) -> None:
    with pytest.raises(VersionNotFound, match="python -m indexer build --starter"):
        versions.open_version(tmp_path)
