"""Feedback over HTTP: what is taken, what is refused, what is kept, and what trouble with it does to searches."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from limits.errors import StorageError

from indexer import feedback_database
from indexer.errors import ConfigError
from indexer.feedback import hash_key
from indexer.feedback_database import read_database
from indexer.index_folder import current_name, lock
from indexer.publication import prune
from server.app import create_app
from server.feedback_rate import FeedbackRate
from server.search import Search
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
QUERY = {"target": "movies", "text": "a rainy night in the city", "limit": 3, "facets": True}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feedback.sqlite"


def serve(search: Search, file: Path, **settings: Any) -> FlaskClient:
    """A client of an application that keeps feedback in ``file``."""
    given = {"feedback_url": f"sqlite:///{file}", "feedback_rate": "", **settings}
    return create_app(Settings(**given), search).test_client()


@pytest.fixture
def client(search: Search, file: Path) -> FlaskClient:
    return serve(search, file)


@pytest.fixture
def verdict(client: FlaskClient) -> dict[str, Any]:
    """A verdict on the second film for ``QUERY``."""
    answer = client.post("/v1/search", json=QUERY).get_json()
    return {
        "kind": "verdict",
        "key": "k1",
        "verdict": "up",
        "query": QUERY,
        "target": "movies",
        "id": answer["results"][1]["id"],
        "rank": 2,
        "index_version": answer["index_version"],
    }


@pytest.fixture
def vote(verdict: dict[str, Any], search: Search, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A vote for Segue against a method that the version is said to hold."""
    monkeypatch.setitem(search.manifest["methods"], "text-cosine", {"about": "texts alike"})
    left_out = ("verdict", "id", "rank")
    plain = {name: value for name, value in verdict.items() if name not in left_out}
    return {**plain, "kind": "vote", "key": "v1", "methods": ["segue", "text-cosine"], "winner": "segue"}


def tally(client: FlaskClient) -> Any:
    reply = client.get("/v1/feedback/tally")
    assert reply.status_code == 200
    return reply.get_json()


def test_a_verdict_is_kept_with_its_question_and_without_who_gave_it(client, verdict, file):
    reply = client.post("/v1/feedback", json=verdict, headers={"User-Agent": "Some Browser"})
    assert (reply.status_code, reply.get_json()) == (200, {"kind": "verdict", "kept": True})
    with sqlite3.connect(file) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM segue_feedback")]
    database.close()
    assert rows == [
        {
            "key_hash": hash_key("k1"),
            "kind": "verdict",
            "day": datetime.now(UTC).date().isoformat(),
            "index_version": verdict["index_version"],
            "target": "movies",
            "method": "segue",
            "said": "up",
            "query": '{"text": "a rainy night in the city"}',
            "id": verdict["id"],
            "rank": 2,
        }
    ]


def test_under_the_same_key_the_last_word_counts(client, verdict):
    for said, expected in [
        ("up", (1, 0)),
        ("up", (1, 0)),
        ("down", (0, 1)),
        ("none", (0, 0)),
        ("none", (0, 0)),
    ]:
        reply = client.post("/v1/feedback", json={**verdict, "verdict": said})
        assert reply.get_json() == {"kind": "verdict", "kept": said != "none"}
        assert tally(client)["verdicts"] == dict(zip(("up", "down"), expected, strict=True))


def test_a_verdict_can_be_taken_back_when_another_version_answers(client, verdict):
    client.post("/v1/feedback", json=verdict)
    gone = {**verdict, "index_version": "earlier"}
    assert client.post("/v1/feedback", json={**gone, "verdict": "none"}).status_code == 200
    assert tally(client)["verdicts"] == {"up": 0, "down": 0}


def test_votes_are_tallied_with_an_interval(client, vote):
    winners = ["segue", "segue", "segue", "text-cosine", "tie"]
    for number, winner in enumerate(winners):
        body = {**vote, "key": f"v{number}", "winner": winner}
        assert client.post("/v1/feedback", json=body).get_json() == {"kind": "vote", "kept": True}
    # The order in which the methods are named means nothing.
    client.post(
        "/v1/feedback", json={**vote, "key": "v4", "winner": "tie", "methods": ["text-cosine", "segue"]}
    )
    [row] = tally(client)["votes"]
    interval = row.pop("interval")
    assert row == {"against": "text-cosine", "wins": 3, "losses": 1, "ties": 1, "share": 0.75}
    assert interval == pytest.approx([0.30064, 0.95441], abs=1e-5)


def test_ties_alone_give_no_share(client, vote):
    client.post("/v1/feedback", json={**vote, "winner": "tie"})
    assert tally(client)["votes"] == [
        {"against": "text-cosine", "wins": 0, "losses": 0, "ties": 1, "share": None, "interval": None}
    ]


def test_before_any_feedback_the_tally_is_empty_and_makes_no_file(client, file):
    assert tally(client) == {"votes": [], "verdicts": {"up": 0, "down": 0}}
    assert not file.exists()


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"kind": "opinion"}, "kind", "must be verdict or vote"),
        ({"kind": None}, "kind", "must be verdict or vote"),
        ({"name": "Ann"}, "name", "is not known here"),
        ({"comment": "nice"}, "comment", "is not known here"),
        ({"key": ""}, "key", "at least 1 character"),
        ({"key": "k" * 101}, "key", "at most 100 characters"),
        ({"verdict": "maybe"}, "verdict", "'up', 'down' or 'none'"),
        ({"rank": 0}, "rank", "greater than or equal to 1"),
        ({"rank": "1"}, "rank", "valid integer"),
        ({"target": "tracks"}, "target", "is not the target of query"),
        ({"id": "no-such-film"}, "id", "no film has the id 'no-such-film'"),
        ({"query": {"target": "movies"}}, "query", "at least one of"),
        ({"query": {**QUERY, "text": 5}}, "query.text", "valid string"),
        ({"query": {**QUERY, "tracks": ["no-such-song"]}}, "query.tracks", "no song has the id"),
        ({"query": {**QUERY, "avoid": {"movies": ["none"]}}}, "query.avoid.movies", "no film has the id"),
        ({"query": {**QUERY, "method": "random"}}, "query.method", "random is not in this version"),
        ({"query": {**QUERY, "items": [{"kind": "track", "x": 1}]}}, "query.items.0.x", "is not known here"),
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused_by_field(client, verdict, file, change, field, message):
    body = {name: value for name, value in {**verdict, **change}.items() if value is not None}
    reply = client.post("/v1/feedback", json=body)
    assert (reply.status_code, reply.mimetype) == (422, "application/problem+json")
    [error] = reply.get_json()["errors"]
    assert error["field"] == field
    assert message in error["message"]
    assert not file.exists()


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"methods": ["segue", "segue"]}, "methods", "must be segue and one other"),
        ({"methods": ["random", "text-cosine"]}, "methods", "must be segue and one other"),
        ({"methods": ["segue"]}, "methods", "at least 2 items"),
        ({"methods": ["segue", "crosstune"]}, "methods", "crosstune is not in this version"),
        ({"winner": "crosstune"}, "winner", "must be one of methods, or tie"),
        ({"rank": 1}, "rank", "is not known here"),
    ],
)
def test_a_vote_that_makes_no_sense_is_refused_by_field(client, vote, change, field, message):
    reply = client.post("/v1/feedback", json={**vote, **change})
    assert reply.status_code == 422
    [error] = reply.get_json()["errors"]
    assert error["field"] == field
    assert message in error["message"]


def test_feedback_on_another_version_is_a_conflict(client, verdict):
    reply = client.post("/v1/feedback", json={**verdict, "index_version": "earlier"})
    assert reply.status_code == 409
    assert reply.get_json()["errors"][0]["field"] == "index_version"


def test_a_question_too_long_to_keep_is_refused(client, verdict):
    items = [{"kind": "track", "title": "t" * 2000, "genres": ["g" * 100] * 10} for _ in range(15)]
    reply = client.post("/v1/feedback", json={**verdict, "query": {"target": "movies", "items": items}})
    assert reply.status_code == 422
    assert reply.get_json()["errors"][0]["field"] == "query"


def test_page_and_spelling_make_no_other_question(client, verdict, file):
    for number, query in enumerate(
        [QUERY, {**QUERY, "offset": 10, "limit": 5, "explain": False, "tracks": []}]
    ):
        client.post("/v1/feedback", json={**verdict, "key": str(number), "query": query})
    assert {one.query for one in read_database(file)} == {'{"text": "a rainy night in the city"}'}


SECRET_QUERY = {
    "target": "movies",
    "text": "secret wish",
    "avoid": {"text": "secret fear"},
    "diversity": 0.5,
    "items": [
        {"kind": "track", "title": "secret song", "year": 1999, "lyrics": "secret words", "tags": ["secret"]}
    ],
}


def test_words_can_be_left_out(search, verdict, file):
    quiet = serve(search, file, feedback_text="off")
    assert quiet.post("/v1/feedback", json={**verdict, "query": SECRET_QUERY}).status_code == 200
    [kept] = read_database(file)
    assert json.loads(kept.query) == {
        "avoid": {"text": None},
        "diversity": 0.5,
        "items": [{"kind": "track", "year": 1999}],
        "text": None,
    }


def test_words_are_kept_but_for_long_texts(client, verdict, file):
    assert client.post("/v1/feedback", json={**verdict, "query": SECRET_QUERY}).status_code == 200
    [kept] = read_database(file)
    assert json.loads(kept.query) == {
        "avoid": {"text": "secret fear"},
        "diversity": 0.5,
        "items": [{"kind": "track", "tags": ["secret"], "title": "secret song", "year": 1999}],
        "text": "secret wish",
    }


def test_off_says_so_and_makes_no_file(search, verdict, tmp_path):
    off = create_app(Settings(feedback_url="off", indexes=tmp_path), search).test_client()
    for reply in (off.post("/v1/feedback", json=verdict), off.get("/v1/feedback/tally")):
        assert (reply.status_code, reply.mimetype) == (501, "application/problem+json")
        assert (
            reply.get_json()["detail"] == "feedback is switched off on this server (SEGUE_FEEDBACK_URL=off)"
        )
    assert list(tmp_path.iterdir()) == []


def test_unless_told_otherwise_it_lies_beside_the_versions(search, verdict, tmp_path):
    client = create_app(Settings(indexes=tmp_path), search).test_client()
    assert client.post("/v1/feedback", json=verdict).status_code == 200
    assert [one.id for one in read_database(tmp_path / "feedback.sqlite")] == [verdict["id"]]


def test_looking_after_versions_leaves_it_alone(search, verdict, indexes):
    client = create_app(Settings(indexes=indexes), search).test_client()
    assert client.post("/v1/feedback", json=verdict).status_code == 200
    (indexes / "old").mkdir()
    (indexes / "old" / "manifest.json").write_text("{}", encoding="utf-8")
    with lock(indexes):
        assert current_name(indexes) not in prune(indexes, 0)
    assert not (indexes / "old").exists()
    assert [one.id for one in read_database(indexes / "feedback.sqlite")] == [verdict["id"]]


def test_a_driver_that_is_missing_is_named_with_what_to_install(search, verdict, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    client = create_app(
        Settings(feedback_url="postgresql+psycopg://nobody@127.0.0.1:1/x"), search
    ).test_client()
    reply = client.post("/v1/feedback", json=verdict)
    assert reply.status_code == 501
    assert "pip install -r requirements-postgresql.txt" in reply.get_json()["detail"]


def test_one_client_may_give_so_much_and_search_on(search, verdict, file):
    limited = serve(search, file, feedback_rate="2/hour")
    replies = [limited.post("/v1/feedback", json={**verdict, "key": str(n)}) for n in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert 3500 < int(replies[2].headers["Retry-After"]) <= 3600
    assert limited.post("/v1/search", json=QUERY).status_code == 200
    assert tally(limited)["verdicts"] == {"up": 2, "down": 0}
    other = {"REMOTE_ADDR": "127.0.0.2"}
    assert limited.post("/v1/feedback", json=verdict, environ_base=other).status_code == 200


def test_what_is_refused_counts_for_the_limit_as_well(search, file, verdict):
    limited = serve(search, file, feedback_rate="1/hour")
    assert limited.post("/v1/feedback", json={**verdict, "rank": 0}).status_code == 422
    assert limited.post("/v1/feedback", json=verdict).status_code == 429


def test_where_the_store_of_limits_is_away_each_process_counts(search, file, verdict):
    limited = serve(search, file, feedback_rate="1/hour", rate_limit_store="redis://127.0.0.1:1")
    statuses = [limited.post("/v1/feedback", json=verdict).status_code for _ in range(2)]
    assert statuses == [200, 429]


class AwayStore:
    """A limiter whose store is away until told otherwise; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_away = True

    def hit(self, *_: object) -> bool:
        self.asked += 1
        if self.is_away:
            raise StorageError(OSError("away"))
        return True


def test_a_store_of_limits_that_is_away_is_not_asked_each_time():
    rate = FeedbackRate("9/hour", "memory://")
    away = AwayStore()
    rate._limiter = away  # type: ignore[assignment]
    for now_s in (100.0, 101.0, 104.9):
        rate.count("ann", lambda at=now_s: at)
    assert away.asked == 1
    away.is_away = False
    rate.count("ann", lambda: 105.0)
    assert away.asked == 2


def test_a_database_that_cannot_be_used_is_a_503_and_searches_go_on(client, verdict, file):
    file.mkdir()
    reply = client.post("/v1/feedback", json=verdict)
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert reply.get_json()["detail"] == "feedback cannot be stored at the moment"
    assert client.get("/v1/feedback/tally").status_code == 503
    assert client.post("/v1/search", json=QUERY).status_code == 200


def test_searches_are_answered_while_feedback_hangs(search, verdict, file, monkeypatch):
    client = serve(search, file)
    started, let_go = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        started.set()
        assert let_go.wait(60)

    monkeypatch.setattr(feedback_database, "put", hang)
    replies: list[Any] = []
    giving = threading.Thread(target=lambda: replies.append(client.post("/v1/feedback", json=verdict)))
    giving.start()
    try:
        assert started.wait(60)
        assert client.application.test_client().post("/v1/search", json=QUERY).status_code == 200
        giving.join(60)  # long before the database answers
        assert [(reply.status_code, reply.headers["Retry-After"]) for reply in replies] == [(503, "5")]
    finally:
        let_go.set()
        giving.join(60)


def test_nothing_that_was_searched_for_is_logged(client, verdict, file, caplog):
    assert client.post("/v1/feedback", json=verdict).status_code == 200
    with sqlite3.connect(file) as database:
        refuse = "SELECT RAISE(ABORT, 'not today')"
        database.execute(f"CREATE TRIGGER t BEFORE INSERT ON segue_feedback BEGIN {refuse}; END")
    database.close()
    assert client.post("/v1/feedback", json=verdict).status_code == 503
    assert "feedback cannot be stored: IntegrityError: not today" in caplog.text
    assert "rainy" not in caplog.text


def test_neither_the_server_nor_a_search_loads_sqlalchemy():
    code = (
        "import sys; from server.app import create_app; from server.settings import Settings; "
        "create_app(Settings(), open_now=False); print('sqlalchemy' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_the_routes_are_described(client):
    paths = client.get("/openapi.json").get_json()["paths"]
    body = paths["/v1/feedback"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/FeedbackBody"}
    for kind in ("verdict", "vote"):
        assert body["examples"][kind]["value"]["kind"] == kind
    assert set(paths["/v1/feedback/tally"]["get"]["responses"]) >= {"200", "501", "503"}


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SEGUE_FEEDBACK_URL", "", ""),
        ("SEGUE_FEEDBACK_URL", " OFF ", "off"),
        (
            "SEGUE_FEEDBACK_URL",
            "postgresql://me:pw@host/db?sslmode=require",
            "postgresql://me:pw@host/db?sslmode=require",
        ),
        ("SEGUE_FEEDBACK_URL", "sqlite:////srv/feedback.sqlite", "sqlite:////srv/feedback.sqlite"),
        ("SEGUE_FEEDBACK_TEXT", "Off", "off"),
        ("SEGUE_FEEDBACK_RATE", "", ""),
        ("SEGUE_FEEDBACK_RATE", "5/Second", "5/second"),
    ],
)
def test_settings_are_read(variable, value, expected):
    settings = Settings.from_environ({variable: value})
    assert getattr(settings, variable.removeprefix("SEGUE_").lower()) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SEGUE_FEEDBACK_URL", "secret"),
        ("SEGUE_FEEDBACK_URL", "/srv/secret.sqlite"),
        ("SEGUE_FEEDBACK_URL", "sqlite://"),
        ("SEGUE_FEEDBACK_URL", "sqlite:///:memory:"),
        ("SEGUE_FEEDBACK_URL", "postgresql://me:secret@host/a b"),
        ("SEGUE_FEEDBACK_TEXT", ""),
        ("SEGUE_FEEDBACK_RATE", "60"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start_and_are_not_repeated(variable, value):
    with pytest.raises(ConfigError, match=f"^{variable} ") as raised:
        Settings.from_environ({variable: value})
    assert "secret" not in str(raised.value)


def test_a_password_of_the_database_is_not_shown():
    assert "secret" not in repr(Settings(feedback_url="postgresql://me:secret@host/db"))
