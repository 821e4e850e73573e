"""A connection to Milvus that waits no longer than it is told, and comes back by itself."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import grpc

from indexer.errors import EngineError, EngineUnavailable
from indexer.milvus.channel import Budget, open_channel
from indexer.milvus.failures import explain_client, explain_rpc, too_slow
from indexer.milvus.library import MilvusClient, MilvusException
from indexer.milvus.params import MilvusParams


@dataclass(slots=True)
class _Link:
    """One client, who is using it, and whether it is to be closed after that."""

    client: Any
    users: int = 0
    is_retired: bool = False


class Connection:
    """Calls of one Milvus; safe to share between threads, and across a fork if nothing was called before it.

    Nothing is connected before the first call. A call whose connection is lost fails; the next one connects anew.
    """

    def __init__(self, params: MilvusParams) -> None:
        self.params = params
        self._budget = Budget()
        self._reset()
        _connections.add(self)

    def call(self, method_name: str, /, *args: Any, timeout_s: float | None = None, **kwargs: Any) -> Any:
        """Call a method of ``MilvusClient`` and wait at most ``timeout_s`` seconds, by default the parameters'.

        Raises ``EngineUnavailable``, ``EngineRefused``, ``EngineMismatch`` or, below that, ``EngineMissing``.
        """
        budget = self._budget
        budget.begin(self.params.timeout_s if timeout_s is None else timeout_s)
        link = self._take()
        try:
            return getattr(link.client, method_name)(*args, **kwargs)
        except (MilvusException, grpc.RpcError, EngineError) as error:
            problem = self._explain(error)
            if budget.error is not None:  # the connection's, not a reply's
                self._retire(link)
            raise problem from None
        finally:
            with self._lock:
                link.users -= 1
            if link.is_retired:
                self._close_unused()

    def within(self, timeout_s: float) -> AbstractContextManager[None]:
        """Bound all calls of this thread in here together, beside the bound of each."""
        return self._budget.within(timeout_s)

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        with self._lock:
            link = self._link
        if link is not None:
            self._retire(link)
            self._close_unused()

    def _reset(self) -> None:
        # After a fork, too: locks may be held by threads that are not there any more, and a channel cannot be shared.
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._link: _Link | None = None
        self._retired: list[_Link] = []

    def _take(self) -> _Link:
        link = self._use()
        if link is not None:
            return link
        # pymilvus connects under one lock for all of its clients; waiting for that has to end in time as well.
        if not self._connecting.acquire(timeout=self._budget.timeout_s):
            raise too_slow(self._budget.timeout_s)
        try:
            link = self._use()
            if link is None:
                client = self._connect()
                link = _Link(client, users=1)
                with self._lock:
                    self._link = link
            return link
        finally:
            self._connecting.release()
            self._close_unused()

    def _use(self) -> _Link | None:
        with self._lock:
            if self._link is not None:
                self._link.users += 1
            return self._link

    def _retire(self, link: _Link) -> None:
        """Let no further call use a client; it is closed when the last of them has ended."""
        with self._lock:
            if not link.is_retired:
                link.is_retired = True
                self._retired.append(link)
            if self._link is link:
                self._link = None

    def _close_unused(self) -> None:
        # Closing takes pymilvus' lock as well, so it is left to a later call while another one connects.
        if not self._connecting.acquire(blocking=False):
            return
        try:
            with self._lock:
                unused = [link for link in self._retired if not link.users]
                self._retired = [link for link in self._retired if link.users]
            for link in unused:
                link.client.close()
        finally:
            self._connecting.release()

    def _connect(self) -> Any:
        address = _start_lite(self.params.uri) if self.params.is_lite else self.params.uri
        channel = open_channel(address, self.params, self._budget)
        try:
            return MilvusClient(
                address,
                token=self.params.token,
                db_name=self.params.database,
                timeout=self._budget.timeout_s,
                dedicated=True,
                channel=channel,
            )
        except (MilvusException, grpc.RpcError, EngineError) as error:
            channel.close()
            raise self._explain(error) from None

    def _explain(self, error: MilvusException | grpc.RpcError | EngineError) -> EngineError:
        if self._budget.error is not None:
            return self._budget.error
        if isinstance(error, EngineError):
            return error
        if isinstance(error, MilvusException):
            return explain_client(error)
        return explain_rpc(error.code(), error.details() or "", self._budget.timeout_s)


def _start_lite(path: str) -> str:
    """Start milvus-lite within this process, or find it started; gives its address."""
    try:
        from milvus_lite.server_manager import server_manager_instance  # a test's or a laptop's engine only
    except ImportError as error:
        raise EngineUnavailable("milvus-lite is not installed: pip install milvus-lite") from error
    address: str | None = server_manager_instance.start_and_get_uri(path)
    if address is None:
        raise EngineUnavailable("milvus-lite does not start (see its log)")
    return address


_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_before_fork: list[_Link] = []


def _forget_all() -> None:
    for connection in _connections:
        if connection._link is not None:
            _before_fork.append(connection._link)  # never closed here: it is the parent's
        connection._reset()


os.register_at_fork(after_in_child=_forget_all)
