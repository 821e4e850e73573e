"""The map over HTTP: points in one reply, what they mean, and items by their points."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from indexer.filter_columns import FilterColumns
from indexer.index_folder import new_folder
from indexer.index_version import MANIFEST, MAP, SEAL, open_version, seal
from indexer.space import MEDIA
from server.app import create_app
from server.map_points import FAMILIES, color_by_genre
from server.search import Search
from server.settings import Settings


@pytest.fixture
def client(search: Search) -> FlaskClient:
    return create_app(Settings(), search).test_client()


def read_points(body: bytes) -> tuple[str, int, int, list[np.ndarray]]:
    magic, films, songs, named = struct.unpack_from("<4sIII", body)
    assert magic == b"SMP1"
    name = body[16 : 16 + named].rstrip(b"\0").decode()
    columns, at = [], 16 + named
    for kind in ("<u2", "<u2", "u1", "u1", "u1"):
        columns.append(np.frombuffer(body, kind, films + songs, at))
        at += columns[-1].nbytes
    assert at == len(body)
    return name, films, songs, columns


def test_points_are_the_version_s_own(client: FlaskClient, search: Search, starter_indexes: Path) -> None:
    reply = client.get("/v1/map")
    assert (reply.status_code, reply.mimetype) == (200, "application/octet-stream")
    name, films, songs, (x, y, families, valence, arousal) = read_points(reply.data)
    version = open_version(starter_indexes)
    counts = version.manifest["counts"]
    assert (name, films, songs) == (search.name, counts["movies"], counts["tracks"])
    assert version.map_layout is not None
    places = np.concatenate([version.map_layout.positions[medium] for medium in MEDIA])
    assert np.stack([x, y], axis=1).tolist() == places.tolist()
    moods = np.concatenate([version.moods[medium] for medium in MEDIA])
    known = ~np.isnan(moods)
    for column, shown in enumerate((valence, arousal)):
        assert (shown != 255).tolist() == known[:, column].tolist()
        assert (
            np.abs(shown[known[:, column]] / 254 - moods[known[:, column], column]).max() <= 0.5 / 254 + 1e-6
        )
    row = version.store.row("movies", version.store.ids("movies", [3])[0])
    genres = {genre.casefold() for genre in version.store.movies([row])[0].genres}
    expected = next(n for n, words in enumerate(FAMILIES["movies"].values(), 1) if genres & set(words))
    assert families[3] == expected
    version.close()


def test_points_are_sent_packed_once_and_not_again(client: FlaskClient, search: Search) -> None:
    plain = client.get("/v1/map")
    packed = client.get("/v1/map", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert plain.headers["ETag"] == f'"{search.name}.map1"'
    assert packed.headers["ETag"] == f'"{search.name}.map1.gz"'
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["Cache-Control"] == "private, no-cache"
    again = client.get("/v1/map", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get("/v1/map", headers={"If-None-Match": '"another.map1"'})
    assert other.data == plain.data


def test_the_legend_names_families_and_landmarks(client: FlaskClient, search: Search) -> None:
    legend = client.get("/v1/map/legend").get_json()
    assert legend["index_version"] == search.name
    assert legend["genres"] == {medium: list(FAMILIES[medium]) for medium in MEDIA}
    assert legend["unknown_mood"] == 255
    _, films, _, (x, y, *_) = read_points(client.get("/v1/map").data)
    marks = legend["landmarks"]
    assert {mark["medium"] for mark in marks} == {"movies", "tracks"}
    for mark in marks:
        assert (mark["point"] < films) == (mark["medium"] == "movies")
        assert search.item(mark["medium"], mark["id"]).title == mark["title"]
    at = np.array([[x[mark["point"]], y[mark["point"]]] for mark in marks], dtype=float)
    apart = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(at))
    assert apart.min() >= 0.035 * 65_535


def test_items_come_by_their_points_and_back(client: FlaskClient, search: Search) -> None:
    films = client.get("/v1/map/legend").get_json()["movies"]
    points = [films + 2, 0, 5]
    shown = client.get(
        f"/v1/map/items?points={','.join(map(str, points))}&index_version={search.name}"
    ).get_json()
    assert [(item["point"], item["medium"]) for item in shown["results"]] == [
        (films + 2, "tracks"),
        (0, "movies"),
        (5, "movies"),
    ]
    song, *both = shown["results"]
    assert song["title"] == search.item("tracks", song["id"]).title
    body = {"movies": [both[1]["id"], "no such id", both[0]["id"]], "tracks": [song["id"]]}
    assert client.post("/v1/map/places", json=body).get_json() == {
        "index_version": search.name,
        "movies": [5, None, 0],
        "tracks": [films + 2],
    }


@pytest.mark.parametrize("points", ["", "a", "1,", "-1", "1.5", "999999999", ",".join(["1"] * 51)])
def test_points_that_make_no_sense_are_refused(points: str, client: FlaskClient) -> None:
    reply = client.get(f"/v1/map/items?points={points}")
    assert (reply.status_code, reply.mimetype) == (422, "application/problem+json")
    assert reply.get_json()["errors"][0]["field"] == "points"


def test_points_of_another_version_are_a_conflict(client: FlaskClient) -> None:
    assert client.get("/v1/map/items?points=1&index_version=older").status_code == 409
    assert client.post("/v1/map/places", json={"movies": [], "index_version": "older"}).status_code == 409


def test_a_version_built_without_a_map_opens_and_says_so(starter_indexes: Path, tmp_path: Path) -> None:
    version = open_version(starter_indexes)
    with new_folder(tmp_path) as folder:
        shutil.copytree(
            version.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST, SEAL, MAP)
        )
        manifest = json.loads((version.folder / MANIFEST).read_text(encoding="utf-8"))
        name = seal(folder, {k: v for k, v in manifest.items() if k not in ("format", "files")}, "old")
    version.close()
    (tmp_path / "CURRENT").write_text(f"{name}\n", encoding="utf-8")
    opened = Search.open(tmp_path)
    client = create_app(Settings(), opened).test_client()
    for path in ("/v1/map", "/v1/map/legend", "/v1/map/items?points=0"):
        reply = client.get(path)
        assert (reply.status_code, reply.mimetype) == (404, "application/problem+json")
        assert reply.get_json()["detail"].startswith("This index version was built without a map.")
    assert client.get("/v1/movies?q=a&limit=1").status_code == 200
    opened.close()


def test_a_song_s_family_is_the_first_that_one_of_its_genres_fits() -> None:
    import pandas as pd

    genres = ["latin pop", "dance pop", "k-pop|hip hop", "black metal", "", "dubstep", "polka"]
    names = ("year", "decade", "explicit", "popularity", "tempo", "energy", "valence")
    table = pd.DataFrame({"genres": genres, **{name: [float("nan")] * len(genres) for name in names}})
    columns = FilterColumns.from_table("tracks", table)
    families = ["", *FAMILIES["tracks"]]
    assert [families[number] for number in color_by_genre("tracks", columns)] == [
        *("Latin, world", "Electronic", "Hip hop", "Metal", "", "Electronic", ""),
    ]
