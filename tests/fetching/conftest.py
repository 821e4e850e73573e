"""A stand-in host for each test, and downloads that may reach it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stand_in_host import QUICK, StandIn, policy_for

from indexer.fetching.download import Downloader


@contextmanager
def serving() -> Iterator[StandIn]:
    server = StandIn()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with serving() as server:
        yield server


@pytest.fixture
def downloader(stand_in: StandIn) -> Iterator[Downloader]:
    with Downloader(policy_for(stand_in.origin), QUICK) as made:
        yield made


@pytest.fixture
def cdn() -> Iterator[StandIn]:
    """Another host, to which the hosts of data sets redirect."""
    with serving() as server:
        yield server


@pytest.fixture
def kaggle_here(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kaggle's client asks the stand-in, and knows no key of whoever runs the tests."""
    pytest.importorskip("kagglehub", reason="kagglehub is not installed")
    import kagglehub.config
    import kagglesdk.kaggle_env as kaggle_env

    origin = f"http://127.0.0.1:{stand_in.server_address[1]}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, origin)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kagglehub.config, "DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(tmp_path / "home/.kaggle"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def hub_closed() -> Iterator[None]:
    """No connection of the Hub's library, which keeps its client for good, outlives a test."""
    import huggingface_hub

    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()
