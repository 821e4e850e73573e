"""What clients of our server see while its engine is cut off, hangs, refuses or holds the wrong thing.

On milvus-lite, and on the standalone server where there is one. Faults of the standalone server's own process are in
``test_faults_standalone.py``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from flask.testing import FlaskClient

from indexer import index_folder
from indexer.milvus.collections import Held, name_collection
from indexer.milvus.connection import Connection
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.library import DataType, MilvusClient
from indexer.milvus.params import MilvusParams
from server.app import LIVE_SEARCH, create_app
from server.settings import Settings
from tests.faults.small_index import SmallIndex
from tests.milvus.serving import (
    BOUND_S,
    RECOVERY_S,
    TIMEOUT_S,
    ask_known,
    build_another,
    check_refusal,
    publish,
    search_body,
    variables,
)
from tests.milvus.stand_in import StandIn
from tests.milvus.waiting import wait_for
from tests.milvus.wire import Wire


@dataclass
class Site:
    """A published version, the engine that holds it, and a wire to that engine that can be disturbed."""

    small: SmallIndex
    params: MilvusParams
    wire: Wire

    @property
    def indexes(self) -> Path:
        return self.small.indexes

    @property
    def name(self) -> str:
        return index_folder.current_name(self.indexes)


@pytest.fixture(params=["lite", "standalone"])
def site(request: pytest.FixtureRequest, small: SmallIndex) -> Iterator[Site]:
    if request.param == "lite":
        params: MilvusParams = request.getfixturevalue("milvus_lite")
        manager = pytest.importorskip("milvus_lite.server_manager").server_manager_instance
        port = urlsplit(manager.start_and_get_uri(params.uri)).port
    else:
        params = request.getfixturevalue("milvus_standalone").params(prefix="faults", timeout_s=30.0)
        port = urlsplit(params.uri).port
    publish(params, small.indexes, index_folder.current_name(small.indexes))
    with Wire(int(port or 0)) as wire:
        yield Site(small, params, wire)
    connection = Connection(params)
    connection.call("drop_alias", params.prefix)  # which outlives its collection
    for collection in connection.call("list_collections"):
        if collection.startswith(f"{params.prefix}_"):
            connection.call("drop_collection", collection)
    connection.close()


class Client:
    """Asks an application in this process."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self._turn = 0

    def ask(self, path: str, body: Any = None) -> Any:
        reply = self._client.get(path) if body is None else self._client.post(path, json=body)
        assert reply.status_code == 200, reply.get_data(as_text=True)
        return reply.get_json()

    def search_anew(self) -> None:
        """A search that no cache answers succeeds."""
        self._turn += 1
        assert self.ask("/v1/search", search_body(self._turn))["results"]

    def is_refused(self, path: str = "/v1/search", *secrets: str) -> str:
        """A search, or a look at the path, is refused properly and in time; gives what is said of the engine."""
        self._turn += 1
        begun = time.monotonic()
        if path == "/v1/search":
            reply = self._client.post(path, json=search_body(self._turn))
        else:
            reply = self._client.get(path)
        assert time.monotonic() - begun < BOUND_S
        headers = {name.lower(): value for name, value in reply.headers}
        return check_refusal(reply.status_code, headers, reply.get_json(), *secrets)

    def wait(self, condition: Callable[[], bool]) -> None:
        assert wait_for(condition, RECOVERY_S), self._client.get("/readyz").get_data(as_text=True)

    def wait_ready(self, version: str) -> None:
        def is_ready() -> bool:
            reply = self._client.get("/readyz")
            return reply.status_code == 200 and reply.get_json()["index_version"] == version

        self.wait(is_ready)

    def wait_unready(self) -> str:
        self.wait(lambda: self._client.get("/readyz").status_code == 503)
        return self.is_refused("/readyz")


@pytest.fixture
def start() -> Iterator[Callable[[Path, MilvusParams], Client]]:
    apps = []

    def make(indexes: Path, params: MilvusParams) -> Client:
        told = {"SEGUE_INDEXES": str(indexes)} | variables(params)
        app = create_app(Settings.from_environ(told))
        apps.append(app)
        app.extensions[LIVE_SEARCH].start()
        return Client(app.test_client())

    yield make
    for app in apps:
        app.extensions[LIVE_SEARCH].stop()


Start = Callable[[Path, MilvusParams], Client]


def through(site: Site) -> MilvusParams:
    return replace(site.params, uri=site.wire.uri, timeout_s=TIMEOUT_S)


def test_a_server_starts_without_its_engine_and_is_ready_when_that_comes(site: Site, start: Start) -> None:
    site.wire.cut()
    client = start(site.indexes, through(site))
    assert client.is_refused() == "Milvus cannot be reached"
    assert client.is_refused("/readyz") == "Milvus cannot be reached"
    assert client.ask("/healthz") == {"status": "ok"}
    site.wire.mend()
    client.wait_ready(site.name)
    client.search_anew()


def test_an_engine_that_is_cut_off_and_comes_back(site: Site, start: Start) -> None:
    client = start(site.indexes, through(site))
    client.wait_ready(site.name)
    before = ask_known(client.ask)
    site.wire.cut()
    assert client.is_refused() in ("Milvus cannot be reached", "the connection to Milvus was closed")
    assert client.wait_unready() in ("Milvus cannot be reached", "the connection to Milvus was closed")
    site.wire.mend()
    client.wait_ready(site.name)
    client.search_anew()
    assert ask_known(client.ask) == before


def test_an_engine_that_hangs_is_not_waited_for(site: Site, start: Start) -> None:
    client = start(site.indexes, through(site))
    client.wait_ready(site.name)
    site.wire.stall()
    assert client.is_refused() == "Milvus did not answer within 2 s"
    assert client.wait_unready() == "Milvus did not answer within 2 s"
    site.wire.mend()
    client.wait_ready(site.name)
    client.search_anew()


def test_an_engine_that_is_slow_is_not_waited_for(site: Site, start: Start) -> None:
    client = start(site.indexes, through(site))
    client.wait_ready(site.name)
    site.wire.slow_down(10.0)
    assert client.is_refused() == "Milvus did not answer within 2 s"
    assert client.wait_unready() == "Milvus did not answer within 2 s"
    site.wire.mend()
    client.wait_ready(site.name)
    client.search_anew()


def test_a_version_whose_collections_have_another_dimension_is_not_served(site: Site, start: Start) -> None:
    client = start(site.indexes, site.params)
    first = site.name
    client.wait_ready(first)
    before = ask_known(client.ask)
    second = build_another(site.small, site.indexes)
    connection = Connection(site.params)
    collection = name_collection(site.params.prefix, second, "movies")
    engine = MilvusEngine(site.params)
    model = engine.held(first, "movies")
    engine.close()
    make_narrow(connection, collection, replace(model, version=second))
    connection.call("alter_alias", collection, site.params.prefix)

    client.wait(lambda: client.ask("/readyz")["refused"] is not None)
    told = client.ask("/readyz")
    assert (told["index_version"], told["refused"]["version"]) == (first, second)
    client.search_anew()
    assert ask_known(client.ask) == before

    # Published properly, the same version is served; nothing was started anew.
    connection.call("alter_alias", name_collection(site.params.prefix, first, "movies"), site.params.prefix)
    connection.call("drop_collection", collection)
    connection.close()
    publish(site.params, site.indexes, second)
    client.wait_ready(second)
    client.search_anew()


def make_narrow(connection: Connection, collection: str, held: Held) -> None:
    """A collection that says all the right things of itself and has two dimensions."""
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    index = MilvusClient.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="IP")
    properties = replace(held, is_whole=True).to_properties()
    connection.call(
        "create_collection",
        collection,
        schema=schema,
        index_params=index,
        properties=properties,
        timeout_s=60,
    )


def test_refused_credentials_are_told_without_naming_them(start: Start, small: SmallIndex) -> None:
    with StandIn() as refuses:
        refuses.on_connect = lambda context: context.abort(
            grpc.StatusCode.UNAUTHENTICATED, "auth check failure: root:s3cret"
        )
        client = start(small.indexes, MilvusParams(refuses.uri, "root:s3cret"))
        words = "Milvus refuses the credentials, or what they may do"
        assert client.is_refused("/v1/search", "s3cret") == words
        assert client.is_refused("/readyz", "s3cret") == words
