"""A build with posters: interrupted and taken up again, and what its manifest says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer import index_folder
from indexer import index_version as versions
from indexer.__main__ import main
from indexer.features import pictures
from tests.features.test_pictures import BATCH, Counting, folder_of

INTERRUPTED = 130


def films(count: int) -> list[str]:
    from indexer.catalogue.tmdb import read_movies
    from indexer.starter import MOVIES

    return read_movies(MOVIES)[0]["id"].tolist()[:count]


def test_an_interrupted_build_goes_on_where_it_was(
    indexes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 2 * BATCH + 3
    posters = folder_of(tmp_path / "posters", count)
    for number, id in enumerate(films(count)):
        (posters / f"p{number}.png").rename(posters / f"{id}.png")
    (posters / f"{films(count)[0]}.png").write_bytes(b"no picture")
    first, second = Counting(stop_after=1), Counting()
    served = index_folder.current_name(indexes)
    build = ["build", "--starter", "--indexes", str(indexes), "--posters", str(posters)]
    monkeypatch.setattr(pictures, "open_poster_encoder", lambda *_: first)
    assert main(build) == INTERRUPTED
    assert f"interrupted; {served} is still served" in capsys.readouterr().err
    assert first.posters == BATCH - 1
    monkeypatch.setattr(pictures, "open_poster_encoder", lambda *_: second)
    assert main([*build, "--methods", "music2movie"]) == 0
    # Without the one that is no picture; the method reads them again, from the cache.
    assert second.posters == BATCH + 3
    name = index_folder.current_name(indexes)
    manifest = versions.verify(indexes / name)
    facts = manifest["pictures"]["posters"]
    assert {key: facts[key] for key in ("items", "encoded", "reused", "encoder", "fault_counts")} == {
        "items": count - 1,
        "encoded": BATCH + 3,
        "reused": BATCH - 1,
        "encoder": {"engine": "counting"},
        "fault_counts": {"is not a picture in JPEG, PNG, WEBP or GIF": 1},
    }
    (source,) = (source for source in manifest["sources"] if source["what"] == "posters")
    assert (source["file"], source["files"]) == ("posters", count)
    assert manifest["build"]["settings"]["poster_model"] == "imagenet"
    assert manifest["methods"]["music2movie"]["facts"]["posters"]["films"] == count - 1
    # The cache is no version, and pruning leaves it alone.
    assert versions.list_names(indexes) == sorted([served, name])
    assert main(["prune", "--keep", "1", "--indexes", str(indexes)]) == 0
    assert [path.suffix for path in (indexes / ".cache").iterdir()] == [".vectors"]
