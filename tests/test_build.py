"""The build: same input, same bytes; little changed, little encoded; bad input, nothing lost."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest

from indexer import index_folder
from indexer import index_version as versions
from indexer.__main__ import main
from indexer.build import build
from indexer.config import BuildConfig
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS
from server.search import Query, Search

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def starter(indexes: Path, **changes: object) -> BuildConfig:
    values = {"movies": MOVIES, "tracks": TRACKS, "soundtracks": SOUNDTRACKS, "indexes": indexes, **changes}
    return BuildConfig.from_dict(values)


def answers(indexes: Path) -> list[tuple[str, float]]:
    search = Search.open(indexes)
    queries = [
        Query("tracks", movies=("casablanca-1942",)),
        Query("movies", tracks=("stevie-wonder-superstition",)),
        Query("movies", text="a quiet winter in the mountains"),
        Query("tracks", text="angry and loud"),
    ]
    found = [(hit.id, hit.raw_score) for query in queries for hit in search.find(query).hits]
    search.close()
    return found


def test_a_reload_gives_the_same_answers(starter_indexes: Path) -> None:
    assert answers(starter_indexes) == answers(starter_indexes)


def test_the_same_input_gives_the_same_bytes(indexes: Path) -> None:
    """A build from nothing against one that takes everything over: only the manifest may differ."""
    first = indexes / index_folder.current_name(indexes)
    second = indexes / build(starter(indexes))
    facts = versions.verify(first)["files"]
    assert versions.verify(second)["files"] == facts
    fresh, again = versions.verify(first)["build"], versions.verify(second)["build"]
    assert (fresh["rows_reused"], again["rows_encoded"]) == (0, 0)
    assert again["rows_reused"] == fresh["rows_encoded"] == len(versions.load_embeddings(first)[0])
    # Every film and song has a sentence of its own, and there are titles, overviews and words besides.
    assert fresh["rows_encoded"] > 370 + 985


def test_encoding_twice_from_nothing_gives_the_same_bytes(indexes: Path, tmp_path: Path) -> None:
    """Two builds that encode every film anew. The encoder is taken over; its export has a test of its own."""
    made = []
    for name in ("a", "b"):
        copy = tmp_path / name
        copy.mkdir()
        (copy / "served").symlink_to(indexes / index_folder.current_name(indexes))
        (copy / index_folder.CURRENT).write_text("served\n")
        folder = copy / build(starter(copy, movies=_reworded(tmp_path), publish=False))
        made.append(versions.verify(folder))
    assert made[0]["files"] == made[1]["files"]
    # An overview of each film; all else was known.
    assert [manifest["build"]["rows_encoded"] for manifest in made] == [370] * 2


def _reworded(folder: Path) -> Path:
    """The starter's films with other overviews, so that every film must be encoded again."""
    path = folder / "reworded.csv"
    with (
        MOVIES.open(encoding="utf-8", newline="") as source,
        path.open("w", encoding="utf-8", newline="") as target,
    ):
        rows = csv.DictReader(source)
        assert rows.fieldnames
        writer = csv.DictWriter(target, rows.fieldnames)
        writer.writeheader()
        writer.writerows(row | {"overview": "Once more: " + row["overview"]} for row in rows)
    return path


def test_only_changed_texts_are_encoded_again(indexes: Path, tmp_path: Path) -> None:
    known = len(versions.load_embeddings(indexes / index_folder.current_name(indexes))[0])
    path = tmp_path / "movies.csv"
    lines = MOVIES.read_text(encoding="utf-8").splitlines(keepends=True)
    words = lines[1].split(",")
    path.write_text(
        "".join([lines[0], lines[1].replace(words[1], words[1] + " Again"), *lines[2:]]), encoding="utf-8"
    )
    name = build(starter(indexes, movies=path))
    work = versions.verify(indexes / name)["build"]
    # The title, as a query to tune indexes by. Under it nothing is written of the film, so its phrase is not read.
    assert work["rows_encoded"] == 1
    assert work["rows_reused"] == known - 2


def test_a_damaged_served_version_is_reported_and_nothing_is_taken_from_it(
    indexes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (indexes / index_folder.current_name(indexes) / versions.TEXTS).write_bytes(b"")
    name = build(starter(indexes))
    assert "texts.npy" in caplog.text
    assert versions.verify(indexes / name)["build"]["rows_reused"] == 0
    assert index_folder.current_name(indexes) == name


def test_without_publishing_the_served_version_stays(indexes: Path) -> None:
    before = index_folder.current_name(indexes)
    name = build(starter(indexes, publish=False))
    assert name != before
    assert index_folder.current_name(indexes) == before


@pytest.mark.parametrize(
    ("movies", "said"),
    [
        ("no-such-file.csv", "no-such-file.csv"),
        ("id,title,genres\n1,A,Drama\n", "overview"),
        ("id,title,overview,genres\n", "no film"),
        ("id,title,overview,genres\n1,,x,Drama\n", "missing_title"),
    ],
)
def test_bad_input_exits_1_with_one_line_and_the_served_version_stays(
    indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], movies: str, said: str
) -> None:
    before = answers(indexes)
    path = tmp_path / "films.csv"
    if movies.startswith("id"):
        path.write_text(movies)
    else:
        path = tmp_path / movies
    assert main(["build", "--movies", str(path), "--tracks", str(TRACKS), "--indexes", str(indexes)]) == 1
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
    assert answers(indexes) == before
    assert not list(indexes.glob(".partial*"))


def test_a_build_without_sources_says_what_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "--indexes", str(tmp_path)]) == 1
    assert "--starter" in capsys.readouterr().err


def test_two_builds_at_once_one_is_told_why(indexes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with index_folder.lock(indexes):
        assert main(["build", "--starter", "--indexes", str(indexes)]) == 1
    assert "another build" in capsys.readouterr().err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_publishes_nothing_and_says_so(
    indexes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sent: signal.Signals,
) -> None:
    before = index_folder.current_name(indexes)

    def interrupt(_bars: object, stage: str, _done: int, _total: int) -> None:
        assert stage == "films"
        assert list(indexes.glob(".partial-*"))
        signal.raise_signal(sent)

    monkeypatch.setattr("indexer.commands.progress_bars.Bars.__call__", interrupt)
    command = [
        "build",
        "--movies",
        str(_reworded(tmp_path)),
        "--tracks",
        str(TRACKS),
        "--indexes",
        str(indexes),
    ]
    assert main(command) == 130
    assert f"{before} is still served" in capsys.readouterr().err
    assert index_folder.current_name(indexes) == before
    assert not list(indexes.glob(".partial-*"))


def test_check_list_publish_rollback_prune(indexes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = index_folder.current_name(indexes)
    second = build(starter(indexes, publish=False))
    folder = ["--indexes", str(indexes)]
    assert main(["check", second, *folder]) == 0
    assert "370 films, 985 songs" in capsys.readouterr().out
    assert main(["publish", second, *folder]) == 0
    capsys.readouterr()
    assert main(["list", *folder]) == 0
    assert capsys.readouterr().out == f"  {first}\n* {second}\n"
    assert main(["rollback", *folder]) == 0
    assert index_folder.current_name(indexes) == first
    assert main(["prune", "--keep", "0", *folder]) == 0
    assert versions.list_names(indexes) == [first]


def test_the_report_is_written_and_in_the_manifest(indexes: Path, tmp_path: Path) -> None:
    name = build(starter(indexes, report=tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == versions.verify(indexes / name)["cleaning"]


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_a_slice_of_the_real_catalogues_answers(indexes: Path, tmp_path: Path, kind: str) -> None:
    if not (SHARED / "movies_19k.csv").exists():
        pytest.skip("the shared data sets are not beside this checkout")
    movies, tracks = tmp_path / "movies.csv", tmp_path / "tracks.csv"
    for source, target in ((SHARED / "movies_19k.csv", movies), (SHARED / "tracks_82k.csv", tracks)):
        with (
            source.open(encoding="utf-8", newline="") as stream,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            rows = csv.reader(stream)
            csv.writer(out).writerows(row for _, row in zip(range(151), rows, strict=False))
    build(
        starter(
            indexes, movies=movies, tracks=tracks, soundtracks=SHARED / "soundtracks.csv", index_kind=kind
        )
    )
    search = Search.open(indexes)
    film = search.look_up("movies", "Avatar", 1)[0][1]
    hits = search.find(Query("tracks", movies=(film.id,), limit=150, unique=False)).hits
    raw = np.array([hit.raw_score for hit in hits])
    assert film.id == "19995"
    assert len({hit.id for hit in hits}) == len(hits) == search.manifest["counts"]["tracks"]
    assert np.all(np.diff(raw) <= 0)
    search.close()
