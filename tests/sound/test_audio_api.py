"""``POST /v1/audio``: films for a file, clear refusals for anything else, and a server that goes on."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from sound_files import patched_wav
from test_gunicorn import serving

from indexer.errors import SoundRefused
from indexer.sound import listening
from indexer.sound.confinement import Limits
from indexer.sound.containers import MOST_BYTES
from indexer.sound.listening import FEATURES, Heard
from server import audio
from server.app import create_app
from server.settings import Settings

FILE = {"content_type": "audio/mpeg"}
HEARD = Heard(dict.fromkeys(FEATURES, 0.25) | {"energy": 0.75}, 120.0, -9.5, 20.0, "mp3")


@pytest.fixture
def client(search, starter_indexes) -> FlaskClient:
    return create_app(Settings(indexes=starter_indexes), search).test_client()


@pytest.fixture
def heard(monkeypatch) -> None:
    """Files are heard at once, all the same."""
    monkeypatch.setattr(audio, "listen", lambda content, limits: HEARD)


def test_a_file_gets_its_features_and_films(client, heard, mp3):
    reply = client.post("/v1/audio?limit=3", data=mp3, **FILE)
    assert reply.status_code == 200
    assert reply.json["audio"] == {
        "estimated": True,
        "features": HEARD.features,
        "tempo": 120.0,
        "loudness": -9.5,
        "duration_s": 20.0,
        "format": "mp3",
    }
    assert [hit["rank"] for hit in reply.json["results"]] == [1, 2, 3]
    assert {hit["based_on"] for hit in reply.json["results"]} == {"upload"}
    again = client.post("/v1/audio?limit=2&offset=1&year_min=1990", data=mp3, **FILE)
    assert all(hit["year"] >= 1990 for hit in again.json["results"])


def test_features_that_cannot_be_told_are_not_searched_by():
    track = audio.make_song(HEARD).track
    assert (track.energy, track.tempo, track.loudness) == (0.75, 120.0, -9.5)
    assert (track.instrumentalness, track.liveness) == (None, None)
    assert track.title == ""


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 415, "empty"),
        (b"this is no mp3 at all", 415, "none of the kinds"),
        (b"PK\x03\x04" + bytes(100), 415, "none of the kinds"),
        (b"ID3" + bytes(MOST_BYTES - 2), 413, "at most 15728640 bytes"),
    ],
    ids=["empty", "text", "zip", "15 MiB and one"],
)
def test_what_is_no_such_file_is_refused_before_it_is_heard(client, monkeypatch, body, status, detail):
    reply = client.post("/v1/audio", data=body, **FILE)
    assert (reply.status_code, reply.content_type) == (status, "application/problem+json")
    assert detail in reply.json["detail"]


def test_a_body_of_no_stated_length_is_read_up_to_the_limit(client):
    class Endless(io.RawIOBase):
        """Gives an mp3's first bytes, and zeros for ever."""

        given = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 < size <= MOST_BYTES + 1, "more is asked for than may be there"
            begin, self.given = self.given, self.given + size
            return b"ID3" + bytes(size - 3) if begin == 0 else bytes(size)

        def readinto(self, buffer) -> int:
            content = self.read(len(buffer))
            buffer[: len(content)] = content
            return len(content)

    endless = Endless()
    stated = {"wsgi.input": endless, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    reply = client.post("/v1/audio", environ_overrides=stated, **FILE)
    assert reply.status_code == 413
    assert endless.given <= MOST_BYTES + 2**17


def test_other_routes_keep_their_small_limit(client):
    body = b'{"target": "movies", "text": "' + b"x" * 70_000 + b'"}'
    assert client.post("/v1/search", data=body, content_type="application/json").status_code == 413


def test_a_file_at_fault_is_422(client, monkeypatch, mp3):
    def refuse(content: bytes, limits: Limits) -> Heard:
        raise SoundRefused("there is nothing to hear in the file")

    monkeypatch.setattr(audio, "listen", refuse)
    reply = client.post("/v1/audio", data=mp3, **FILE)
    assert (reply.status_code, reply.json["detail"]) == (422, "there is nothing to hear in the file")


def test_without_the_libraries_the_reply_says_what_to_install(client, monkeypatch, mp3):
    monkeypatch.setattr(listening, "_LIBRARIES", ("no_such_library",))
    reply = client.post("/v1/audio", data=mp3, **FILE)
    assert (reply.status_code, reply.content_type) == (501, "application/problem+json")
    assert "requirements.txt" in reply.json["detail"]


def test_files_beyond_the_bound_are_told_to_come_again(client, monkeypatch, mp3):
    begun, go_on = threading.Event(), threading.Event()

    def hear_slowly(content: bytes, limits: Limits) -> Heard:
        begun.set()
        assert go_on.wait(60)
        return HEARD

    monkeypatch.setattr(audio, "listen", hear_slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.application.test_client().post, "/v1/audio", data=mp3, **FILE)
        assert begun.wait(60)
        second = client.post("/v1/audio", data=mp3, **FILE)
        go_on.set()
        assert first.result(60).status_code == 200
    assert (second.status_code, second.headers["Retry-After"]) == (503, "5")
    assert "another file" in second.json["detail"]
    assert client.post("/v1/audio", data=mp3, **FILE).status_code == 200


def test_the_description_says_what_the_body_is(client):
    call = client.get("/openapi.json").json["paths"]["/v1/audio"]["post"]
    assert "audio/mpeg" in call["requestBody"]["content"]
    assert {"413", "415", "422", "501", "503"} <= set(call["responses"])


def test_a_real_server_outlives_hostile_files(starter_indexes, mp3):
    with serving(starter_indexes, SEGUE_WORKERS="1", SEGUE_REQUEST_TIMEOUT_S="120") as server:

        def send(content: bytes) -> int:
            connection = server.connect()
            try:
                connection.request("POST", "/v1/audio?limit=3", content, {"Content-Type": "audio/mpeg"})
                reply = connection.getresponse()
                reply.read()
                return reply.status
            finally:
                connection.close()

        # 503 is for machines too busy to load librosa in the time a reply may take.
        assert send(mp3[: len(mp3) // 2]) in (422, 503)
        assert send(patched_wav(0xFFFFFFFE)) in (422, 503)
        assert send(b"RIFF\x00\x00\x00\x00WAVE" + bytes(200_000)) in (422, 503)
        assert send(b"text" * 50_000) == 415
        assert send(mp3) in (200, 503)
        assert server.ask()[0] == 200
