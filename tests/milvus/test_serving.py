"""A server and the command line on Milvus: they follow the alias; and one on FAISS loads nothing of Milvus."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.__main__ import main
from indexer.errors import ConfigError, EngineUnavailable, MissingLibrary
from indexer.index_folder import current_name
from indexer.milvus import variables
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.params import MilvusParams
from server.app import LIVE_SEARCH, create_app
from server.settings import Settings
from tests.milvus.engines import add_version, drop_index_files

ROOT = Path(__file__).resolve().parents[2]
BODY = {"target": "movies", "text": "rain"}


@pytest.fixture
def environ(milvus_lite: MilvusParams, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    given = {"SEGUE_ENGINE": "milvus", "SEGUE_MILVUS_URI": milvus_lite.uri, "SEGUE_MILVUS_TIMEOUT_S": "30"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


@pytest.fixture
def app(indexes: Path, environ: dict[str, str]) -> Iterator[Any]:
    """An application that looks for another version only when it is told to."""
    assert main(["publish", current_name(indexes), "--indexes", str(indexes)]) == 0
    made = create_app(Settings.from_environ({**environ, "SEGUE_INDEXES": str(indexes), "SEGUE_POLL_S": "60"}))
    yield made
    made.extensions[LIVE_SEARCH].stop()


def ids(app: Any, body: dict[str, Any] = BODY) -> list[str]:
    return [hit["id"] for hit in app.test_client().post("/v1/search", json=body).json["results"]]


def test_a_server_follows_the_alias_and_refuses_what_its_folder_lacks(app, indexes, capsys):
    first, second = current_name(indexes), add_version(indexes, "29990101T000000Z")
    client, live = app.test_client(), app.extensions[LIVE_SEARCH]
    assert client.get("/readyz").json == {"index_version": first, "status": "ready", "refused": None}
    before = ids(app)

    assert main(["publish", second, "--indexes", str(indexes)]) == 0
    hidden = indexes.with_name("hidden")
    (indexes / second).rename(hidden)
    live.look()
    refusal = {
        "version": second,
        "reason": f"there is no index version '{second}' in the folder of the indexes",
    }
    assert client.get("/readyz").json == {"index_version": first, "status": "ready", "refused": refusal}
    assert ids(app) == before

    shutil.copytree(hidden, indexes / second)
    drop_index_files(indexes / second)
    live.look()  # the files have changed,
    live.look()  # and stay as they are
    assert client.get("/readyz").json == {"index_version": second, "status": "ready", "refused": None}
    assert ids(app) == before

    assert main(["rollback", "--indexes", str(indexes)]) == 0
    live.look()
    assert client.get("/readyz").json["index_version"] == first
    assert main(["list", "--indexes", str(indexes)]) == 0
    assert main(["prune", "--keep", "0", "--indexes", str(indexes)]) == 0
    assert main(["list", "--indexes", str(indexes)]) == 0
    assert main(["check", "--indexes", str(indexes)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:7] == [
        f"{second} is served on Milvus",
        f"{first} is served on Milvus",
        f"* {first}  on Milvus",
        f"  {second}  on Milvus",
        f"dropped {second} from Milvus",
        f"* {first}  on Milvus",
        f"  {second}  in the folder only",
    ]
    assert lines[7].startswith(f"{first} is whole on Milvus: 370 films, 985 songs")


def test_without_the_engine_kept_answers_go_on_and_others_are_503_until_it_is_back(app, indexes, monkeypatch):
    client, live = app.test_client(), app.extensions[LIVE_SEARCH]
    before = ids(app)
    connection = live._engine.connection
    call = connection.call

    def cut(*_: Any, **__: Any) -> Any:
        raise EngineUnavailable("Milvus cannot be reached")

    monkeypatch.setattr(connection, "call", cut)
    assert ids(app) == before
    reply = client.post("/v1/search", json={"target": "tracks", "text": "never asked before"})
    assert (reply.status_code, reply.mimetype) == (503, "application/problem+json")
    assert reply.headers["Retry-After"] == "5"
    assert reply.json["errors"] == [{"field": "engine", "message": "Milvus cannot be reached"}]
    assert reply.json["detail"] == (
        "The engine that searches cannot be used now. Ask again after the time that Retry-After names."
    )
    ready = client.get("/readyz")
    assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
    assert ready.json["errors"] == reply.json["errors"]
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/movies?q=the").status_code == 200

    monkeypatch.setattr(connection, "call", call)
    live.look()
    assert client.get("/readyz").json["status"] == "ready"
    assert (
        client.post("/v1/search", json={"target": "tracks", "text": "never asked before"}).status_code == 200
    )


def test_what_the_engine_says_of_its_inside_stays_in_the_log(app, monkeypatch):
    def broken(*_: Any, **__: Any) -> Any:
        raise EngineUnavailable("Milvus failed: node 7 at 10.0.0.9 went away")

    monkeypatch.setattr(app.extensions[LIVE_SEARCH]._engine.connection, "call", broken)
    reply = app.test_client().post("/v1/search", json={"target": "tracks", "text": "not asked before"})
    assert reply.json["errors"] == [{"field": "engine", "message": "Milvus failed"}]


def test_a_server_on_faiss_loads_no_module_of_milvus_or_ray(starter_indexes):
    code = f"""
import json, sys
from pathlib import Path
from server.app import create_app
from server.settings import Settings
app = create_app(Settings(indexes=Path({str(starter_indexes)!r})))
assert app.test_client().post("/v1/search", json={BODY!r}).status_code == 200
print(json.dumps(sorted(name.split(".")[0] for name in sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"pymilvus", "milvus_lite", "grpc", "ray"} & set(json.loads(done.stdout.splitlines()[-1])) == set()


def test_the_command_line_on_faiss_loads_no_module_of_milvus(starter_indexes):
    code = (
        "import sys; from indexer.__main__ import main; "
        f"main(['list', '--indexes', {str(starter_indexes)!r}]); "
        "print('pymilvus' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"* {current_name(starter_indexes)}", "False"]


def test_the_server_and_the_command_line_read_the_same_variables(tmp_path):
    environ = {
        "SEGUE_MILVUS_URI": "https://milvus.example:19530",
        "SEGUE_MILVUS_TOKEN": "reader:secret",
        "SEGUE_MILVUS_DATABASE": "films",
        "SEGUE_MILVUS_PREFIX": "stage",
        "SEGUE_MILVUS_CA_FILE": str(tmp_path / "ca.pem"),
        "SEGUE_MILVUS_CLIENT_CERT": str(tmp_path / "cert.pem"),
        "SEGUE_MILVUS_CLIENT_KEY": str(tmp_path / "key.pem"),
        "SEGUE_MILVUS_SERVER_NAME": "milvus",
        "SEGUE_MILVUS_TIMEOUT_S": "2.5",
    }
    from server.engine import make_engine

    engine = make_engine(Settings.from_environ({**environ, "SEGUE_ENGINE": "milvus"}))
    assert isinstance(engine, MilvusEngine)
    assert engine.params == variables.read_params(environ)
    assert engine.params == MilvusParams(
        "https://milvus.example:19530",
        "reader:secret",
        "films",
        "stage",
        tmp_path / "ca.pem",
        tmp_path / "cert.pem",
        tmp_path / "key.pem",
        "milvus",
        2.5,
    )
    assert "secret" not in repr(engine.params) + repr(Settings.from_environ(environ))


def test_milvus_without_an_address_is_refused_at_the_start(tmp_path, capsys, monkeypatch):
    with pytest.raises(ConfigError, match="needs SEGUE_MILVUS_URI"):
        create_app(Settings(indexes=tmp_path, engine="milvus"))
    monkeypatch.delenv("SEGUE_MILVUS_URI", raising=False)
    assert main(["list", "--engine", "milvus", "--indexes", str(tmp_path)]) == 1
    assert "needs SEGUE_MILVUS_URI" in capsys.readouterr().err


def test_credentials_in_the_address_are_refused_without_repeating_them():
    with pytest.raises(ConfigError, match="SEGUE_MILVUS_URI") as refused:
        Settings.from_environ({"SEGUE_MILVUS_URI": "http://reader:secret@host:19530"})
    assert "secret" not in str(refused.value)


def test_without_its_client_the_engine_is_named_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "indexer.milvus.engine", None)
    with pytest.raises(MissingLibrary, match=r"pip install -r requirements-milvus\.txt"):
        variables.make_engine(MilvusParams("http://127.0.0.1:1"))
