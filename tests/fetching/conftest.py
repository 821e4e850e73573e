"""A stand-in host for each test, and downloads that may reach it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from stand_in_host import QUICK, StandIn, policy_for

from indexer.fetching.download import Downloader


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def downloader(stand_in: StandIn) -> Iterator[Downloader]:
    with Downloader(policy_for(stand_in.origin), QUICK) as made:
        yield made
