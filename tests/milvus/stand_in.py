"""A gRPC server that speaks Milvus' protocol and answers as a test wants, to see what a client does then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import Any, Self

import grpc

import indexer.milvus.library  # noqa: F401  before anything else of pymilvus is imported

# isort: split
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

HOST = "127.0.0.1"


class StandIn(milvus_pb2_grpc.MilvusServiceServicer):  # type: ignore[misc]
    """Counts calls by method; ``on_list`` answers ListCollections, ``on_connect`` may end a Connect, by its context."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.calls: list[str] = []
        self.tokens: set[str] = set()
        self.on_connect: Callable[[grpc.ServicerContext], None] = lambda _: None
        self.on_list: Callable[[grpc.ServicerContext], Any] = lambda _: show("films")
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(self, self._server)
        address = f"{HOST}:0"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)

    @property
    def uri(self) -> str:
        """The address to connect to, without TLS."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait(10)

    def Connect(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._note("Connect", context)
        self.on_connect(context)
        return milvus_pb2.ConnectResponse(status=common_pb2.Status(), identifier=1)

    def ShowCollections(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self._note("ShowCollections", context)
        return self.on_list(context)

    def _note(self, call: str, context: grpc.ServicerContext) -> None:
        self.calls.append(call)
        self.tokens |= {str(value) for key, value in context.invocation_metadata() if key == "authorization"}


def show(*names: str) -> Any:
    """The reply to ListCollections."""
    return milvus_pb2.ShowCollectionsResponse(status=common_pb2.Status(), collection_names=names)


def refuse(code: int, reason: str, old_code: int = 1) -> Any:
    """A reply whose status says that it did not work."""
    return milvus_pb2.ShowCollectionsResponse(
        status=common_pb2.Status(code=code, error_code=old_code, reason=reason)
    )
