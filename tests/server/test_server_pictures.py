from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from indexer.catalogue.records import Movie, Track
from server.app import create_app
from server.artwork import draw_poster, draw_sleeve
from server.settings import Settings

SVG = "{http://www.w3.org/2000/svg}"
FILM = Movie(id="a", title="Fast & <Loud>", year=1999, genres=("Drama", "Thriller"))
SONG = Track(id="b", title="Ökologie", artists=("Cœur",), genres=("k-pop",), energy=0.9, valence=0.2)


def test_artwork_is_the_same_for_the_same_item_and_tells_its_title():
    for drawn, words in ((draw_poster(FILM), ["FAST &", "<LOUD>"]), (draw_sleeve(SONG), ["ÖKOLOGIE"])):
        image = ElementTree.fromstring(drawn)
        assert [text.text for text in image.find(f"{SVG}g").iter(f"{SVG}text")] == words
    assert draw_poster(FILM) == draw_poster(FILM)
    assert ElementTree.fromstring(draw_poster(FILM)).findall(f"{SVG}text")[0].text == "1999 · Drama, Thriller"
    others = {draw_poster(replace(FILM, id=str(number))) for number in range(30)}
    assert len(others) == 30


def test_colours_come_from_the_genre_and_else_from_the_mood():
    def ground(drawn):
        return ElementTree.fromstring(drawn).find(f"{SVG}rect").get("fill")

    assert ground(draw_poster(replace(FILM, genres=("Horror",)))) == "#0b0c0e"
    assert ground(draw_poster(replace(FILM, genres=("Drama", "Horror")))) == "#0b0c0e"
    assert ground(draw_sleeve(replace(SONG, genres=("deep techno",)))) == "#0a1128"
    plain = replace(SONG, genres=(), tags=())
    assert ground(draw_sleeve(replace(plain, valence=0.9))) != ground(
        draw_sleeve(replace(plain, valence=0.1))
    )


@pytest.mark.parametrize("title", ["", " ", "I", "W" * 200, "a " * 100, "\u202e\u0000x", "山"])
def test_any_title_can_be_lettered(title):
    image = ElementTree.fromstring(draw_poster(replace(FILM, title=title.replace("\u0000", ""))))
    for text in image.find(f"{SVG}g").iter(f"{SVG}text"):
        assert float(text.get("textLength")) <= 257


def test_art_is_served_with_its_own_kind_and_kept_for_a_while(client):
    reply = client.get("/art/movies/680.svg")
    assert (reply.status_code, reply.mimetype) == (200, "image/svg+xml")
    assert reply.headers["Cache-Control"] == "private, max-age=3600"
    assert "RAIN" in reply.get_data(as_text=True)
    assert ">NIGHT &amp; DAY<" in client.get("/art/tracks/s1.svg").get_data(as_text=True)
    assert client.get("/art/movies/nope.svg").status_code == 404
    assert client.get("/art/albums/680.svg").status_code == 404


def test_pictures_come_from_the_folders_that_are_set(search, tmp_path):
    (tmp_path / "posters").mkdir()
    (tmp_path / "posters" / "680.jpg").write_bytes(b"film")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    client = create_app(Settings(posters=tmp_path / "posters"), search).test_client()
    with client.get("/pictures/movies/680") as reply:
        assert reply.get_data() == b"film"
    assert client.get("/pictures/movies/x-9").status_code == 404
    assert client.get("/pictures/tracks/s1").status_code == 404
    for id in ("..%2Fsecret", "%2e%2e/secret", "nope"):
        assert client.get(f"/pictures/movies/{id}").status_code == 404
