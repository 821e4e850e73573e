"""The public data sets in the layouts they are published in: found, read, built from, and their licences told."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from indexer import index_folder
from indexer import index_version as versions
from indexer.__main__ import main
from indexer.benchmarks.made_tables import MOVIE_HEADER, TRACK_HEADER
from indexer.errors import UnreadableFile
from indexer.features.film_tags import read_film_tags
from indexer.public_data import find_public_files, tell_origin
from indexer.starter import MOVIES, TRACKS

SETS = {
    "tmdb-movies": ("TMDB_movie_dataset_v11.csv",),
    "spotify-tracks": ("dataset.csv",),
    "movielens": ("tags.csv", "ratings.csv", "links.csv"),
}
LICENCES = {"tmdb-movies": "ODbL-1.0", "spotify-tracks": "BSD", "movielens": "GroupLens"}


def seal(home: Path) -> None:
    """Write what ``fetch`` leaves beside the files of a data set."""
    files = {
        name: {
            "size_bytes": (home / name).stat().st_size,
            "sha256": sha256((home / name).read_bytes()).hexdigest(),
        }
        for name in SETS[home.name]
    }
    record = {
        "dataset": home.name,
        "source": f"https://example.org/{home.name}",
        "revision": "7",
        "fetched_at": "2026-01-01T00:00:00+00:00",
        "licence": LICENCES[home.name],
        "files": files,
    }
    (home / "fetched.json").write_text(json.dumps(record), encoding="utf-8")


def write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The starter's films and songs in the published layouts, and a few people's tags and ratings."""
    folder = tmp_path / "data"
    films = pd.read_csv(MOVIES, dtype="str", keep_default_na=False)
    assert films.columns.tolist() == MOVIE_HEADER
    # TMDb's ids are numbers.
    films["id"] = [str(1000 + at) for at in range(len(films))]
    write_rows(folder / "tmdb-movies" / SETS["tmdb-movies"][0], MOVIE_HEADER, films.to_numpy().tolist())
    songs = pd.read_csv(TRACKS, dtype="str", keep_default_na=False)
    songs[""] = [str(at) for at in range(len(songs))]
    write_rows(
        folder / "spotify-tracks" / "dataset.csv", TRACK_HEADER, songs[TRACK_HEADER].to_numpy().tolist()
    )
    movielens = folder / "movielens"
    tags = [
        (1, 10, "Trench  War", 5),
        (2, 10, "trench war", 6),
        (2, 20, "NA", 7),
        (2, 30, "lost", 8),
        (3, 20, "", 9),
    ]
    write_rows(movielens / "tags.csv", ["userId", "movieId", "tag", "timestamp"], tags)
    ratings = [(person, film, 4.5, 5) for person in range(4) for film in (10, 20, 30)]
    write_rows(movielens / "ratings.csv", ["userId", "movieId", "rating", "timestamp"], ratings)
    write_rows(
        movielens / "links.csv",
        ["movieId", "imdbId", "tmdbId"],
        [(10, "0111", 1000), (20, "0112", 1001), (30, "", "")],
    )
    for name in SETS:
        seal(folder / name)
    return folder


def test_fetched_files_are_found_by_what_they_are_for(data: Path) -> None:
    files = find_public_files(data)
    assert files.found == {
        "movies": data / "tmdb-movies" / "TMDB_movie_dataset_v11.csv",
        "tracks": data / "spotify-tracks" / "dataset.csv",
        "movie_tags": data / "movielens" / "tags.csv",
        "ratings": data / "movielens" / "ratings.csv",
    }
    assert files.lacking == ()
    assert sorted(find_public_files(data, {"movies", "ratings"}).found) == ["movie_tags", "tracks"]


def test_movielens_is_done_without_and_the_others_are_not(data: Path) -> None:
    shutil.rmtree(data / "movielens")
    files = find_public_files(data)
    assert sorted(files.found) == ["movies", "tracks"]
    assert files.lacking == ("movie_tags", "ratings")
    shutil.rmtree(data / "tmdb-movies")
    with pytest.raises(
        UnreadableFile, match=rf"not fetched into {data}: tmdb-movies; .*fetch tmdb-movies --into {data}$"
    ):
        find_public_files(data)
    assert sorted(find_public_files(data, {"movies"}).found) == ["tracks"]


def test_a_data_set_that_is_not_whole_is_refused_with_what_to_do(data: Path) -> None:
    (data / "movielens" / "fetched.json").unlink()
    with pytest.raises(UnreadableFile, match="python -m indexer fetch movielens"):
        find_public_files(data)


def test_the_origin_of_a_fetched_file_is_told_and_of_others_nothing(data: Path, tmp_path: Path) -> None:
    songs = data / "spotify-tracks" / "dataset.csv"
    origin = {
        "dataset": "spotify-tracks",
        "source": "https://example.org/spotify-tracks",
        "revision": "7",
        "licence": "BSD",
    }
    assert tell_origin(songs, sha256(songs.read_bytes()).hexdigest()) == origin
    assert tell_origin(songs, "0" * 64) == {**origin, "is_altered": True}
    assert tell_origin(MOVIES, "0" * 64) == {}
    own = tmp_path / "dataset.csv"
    own.touch()
    assert tell_origin(own, "0" * 64) == {}


def test_movielens_tags_go_through_its_links_each_once(data: Path) -> None:
    films = pd.DataFrame({"id": ["1001", "1000", "5"]})
    assert read_film_tags(data / "movielens" / "tags.csv", films) == [(1, "trench war"), (0, "na")]


def test_movielens_tags_without_links_are_refused(data: Path) -> None:
    (data / "movielens" / "links.csv").unlink()
    with pytest.raises(UnreadableFile, match="tags by movieId need MovieLens' links"):
        read_film_tags(data / "movielens" / "tags.csv", pd.DataFrame({"id": ["1000"]}))


def test_what_was_fetched_is_built_from_and_its_licences_are_in_the_manifest(
    data: Path, indexes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", "--preset", "public", "--data", str(data), "--methods", "collaborative", "--force"]
    assert main([*arguments, "--indexes", str(indexes)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        f"from {data}: tmdb-movies/TMDB_movie_dataset_v11.csv, spotify-tracks/dataset.csv, movielens/tags.csv, "
        "movielens/ratings.csv\n"
    )
    manifest = versions.verify(indexes / index_folder.current_name(indexes))
    assert manifest["counts"]["movies"] == 370
    assert manifest["build"]["settings"]["preset"] == "default"
    assert [(s["what"], s["dataset"], s["licence"], s["revision"]) for s in manifest["sources"]] == [
        ("movies", "tmdb-movies", "ODbL-1.0", "7"),
        ("tracks", "spotify-tracks", "BSD", "7"),
        ("movie_tags", "movielens", "GroupLens", "7"),
        ("ratings", "movielens", "GroupLens", "7"),
    ]
    assert manifest["methods"]["collaborative"]["facts"]["ratings_used"] == 8


def test_a_build_without_movielens_says_how_to_fetch_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "movielens")
    arguments = [
        "build",
        "--preset",
        "public",
        "--data",
        str(data),
        "--dry-run",
        "--indexes",
        str(tmp_path / "ix"),
    ]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert (
        "movielens is not fetched, so done without people's tags and ratings: "
        f"python -m indexer fetch movielens --into {data}\n" in said
    )
    assert f"{data / 'spotify-tracks' / 'dataset.csv'}: " in said


@pytest.mark.parametrize(
    ("gone", "commands"),
    [
        (("tmdb-movies",), "python -m indexer fetch tmdb-movies --into {data}"),
        (
            ("tmdb-movies", "spotify-tracks"),
            "python -m indexer fetch tmdb-movies --into {data} && python -m indexer fetch spotify-tracks --into {data}",
        ),
    ],
)
def test_what_is_not_fetched_is_said_with_the_command(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    gone: tuple[str, ...],
    commands: str,
) -> None:
    for name in gone:
        shutil.rmtree(data / name)
    arguments = ["build", "--preset", "public", "--data", str(data), "--indexes", str(tmp_path / "ix")]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.endswith(f"{commands.format(data=data)}\n")
    assert said.count("\n") == 1
