"""A Ray cluster to encode on, for as long as a build lasts: one of its own on this machine, or one that is joined."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.config import RAY_ADDRESS, RAY_WORDS
from indexer.errors import EncodingFailed, MissingLibrary
from indexer.features.text_encoder import TextEncoder, usable_cores
from indexer.ray_encoding.plan import write_bundles

Floats = NDArray[np.float32]
OnProgress = Callable[[int, int], None]

#: In place of an address: a cluster of its own on this machine, and the one that this machine belongs to.
LOCAL, AUTO = RAY_WORDS

#: Fewer texts are encoded in the build's own process, before actors would have opened their encoders.
LEAST_TEXTS = 2048

#: Something must listen at an address by then.
_REACH_S = 10.0
#: Ray must have started or been joined by then, one worker's first answer included.
_READY_S = 330.0
_LOCAL_READY_S = 180.0
#: A cluster that gives nothing for so long has come to a stand.
_STALL_S = 900.0
#: The driver shuts Ray down in so long; after that, everything that it started is killed.
_STOP_S = 15.0
#: Texts of each job that every actor encodes first, to be compared.
_PROBE_TEXTS = 8


class RayCluster:
    """Ray, spoken to by a process of its own. A context: on leaving, nothing of what it started is left."""

    def __init__(self, address: str, least_texts: int = LEAST_TEXTS) -> None:
        """``address``: as ``BuildConfig.ray``. Raises ``MissingLibrary`` where Ray is not installed."""
        if find_spec("ray") is None:
            raise MissingLibrary(
                "build --ray needs Ray, which is not installed: python -m pip install -r requirements-ray.txt"
            )
        self._address = address
        self._least_texts = least_texts
        #: What the driver and Ray write while this lasts.
        self.folder = Path()
        self._link: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._cores = 0
        self._version = ""
        self._sent = 0

    def __enter__(self) -> RayCluster:
        """Start or join; raises ``EncodingFailed`` where the cluster does not answer in time."""
        if self._address not in (LOCAL, AUTO):
            _reach(self._address)
        # Short: Ray's sockets lie in it, and their paths must not be longer than some hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix="segue-ray-"))
        try:
            self._start()
            start = {"address": self._address, "cores": usable_cores(), "folder": str(self.folder / "ray")}
            self._say(start)
            ready = self._hear(_LOCAL_READY_S if self._address == LOCAL else _READY_S)
            self._version, self._cores = ready["ray"], max(1, ready["cores"])
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def facts(self) -> dict[str, Any]:
        """For the manifest: Ray's version, whether the cluster was this machine's own, its cores, texts it encoded."""
        kind = LOCAL if self._address == LOCAL else "joined"
        return {
            "engine": "ray",
            "version": self._version,
            "cluster": kind,
            "cores": self._cores,
            "texts": self._sent,
        }

    def encode_all(
        self,
        encoder: TextEncoder,
        folder: Path,
        texts: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> Floats:
        """Encode texts as ``encoder.encode_all`` does, on the cluster's cores: float32 (n, dimension).

        ``folder``: the encoder's files, which are sent. The bytes are the same on processors of one kind. Raises
        ``EncodingFailed`` where Ray gave up or workers would encode in another way.
        """
        if len(texts) < self._least_texts:
            return encoder.encode_all(texts, on_progress)
        source, target = self.folder / "texts.arrow", self.folder / "vectors.npy"
        write_bundles(encoder, texts, self._cores, source)
        step = max(1, len(texts) // _PROBE_TEXTS)
        probe = list(texts[::step][:_PROBE_TEXTS])
        job = {
            "texts": str(source),
            "vectors": str(target),
            "encoder": str(folder.resolve()),
            "count": len(texts),
            "dimension": encoder.dimension,
            "probe": probe,
            "expected": encoder.encode_all(probe, workers=1).tolist(),
        }
        self._say(job)
        while True:
            heard = self._hear(_STALL_S)
            if on_progress is not None:
                on_progress(heard["done"], len(texts))
            if heard.get("end"):
                break
        vectors: Floats = np.load(target)
        source.unlink()
        target.unlink()
        self._sent += len(texts)
        return vectors

    def _start(self) -> None:
        root = Path(__file__).resolve().parents[2]
        ours, theirs = socket.socketpair()
        with theirs, (self.folder / "driver.log").open("wb") as log:
            command = [sys.executable, "-c", "from indexer.ray_encoding.driver import main; main()"]
            self._process = subprocess.Popen(
                # By env, since only server.settings reads the environment.
                ["env", *self._variables(), *command, str(theirs.fileno()), str(self.folder)],
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                # An interrupt of the build is not Ray's: the driver shuts it down.
                start_new_session=True,
            )
        self._link = Connection(ours.detach())

    def _variables(self) -> Iterator[str]:
        # Also where a cluster is joined: nothing is reported of what is done here.
        yield "RAY_USAGE_STATS_ENABLED=0"
        if self._address != LOCAL:
            return
        # So named because it is about other systems; on any of them, Ray then keeps to the loopback interface.
        yield "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0"
        # Others on this machine can reach that interface. Ray's own token would stay in the home folder.
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
        yield "RAY_AUTH_MODE=token"
        yield f"RAY_AUTH_TOKEN_PATH={token}"
        yield "TOKENIZERS_PARALLELISM=false"
        # What a worker was unpacking when it was killed goes with all the rest.
        yield f"TMPDIR={self.folder}"

    def _say(self, message: dict[str, Any]) -> None:
        assert self._link is not None
        try:
            self._link.send_bytes(json.dumps(message).encode())
        except OSError as error:
            raise EncodingFailed(f"Ray's driver has ended: {self._last_words()}") from error

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        assert self._link is not None
        try:
            if not self._link.poll(timeout_s):
                raise EncodingFailed(f"Ray ({self._address}) has not answered for {timeout_s:.0f} s")
            heard: dict[str, Any] = json.loads(self._link.recv_bytes())
        except (EOFError, ConnectionError) as error:
            raise EncodingFailed(f"Ray's driver has ended: {self._last_words()}") from error
        if "error" in heard:
            raise EncodingFailed(f"encoding on Ray ({self._address}) failed: {heard['error']}")
        return heard

    def _last_words(self) -> str:
        written = (self.folder / "driver.log").read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in written.splitlines() if line.strip()]
        return lines[-1] if lines else "without a word"

    def _stop(self) -> None:
        if self._link is not None:
            # The driver takes this as the end, whatever it is doing.
            self._link.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
            # The group is the driver's own; what Ray's raylet started ends with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _reach(address: str) -> None:
    """Raise ``EncodingFailed`` where nothing listens at an address: Ray itself waits long, or ends its process."""
    found = RAY_ADDRESS.fullmatch(address)
    assert found is not None
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), _REACH_S).close()
    except (OSError, OverflowError) as error:
        raise EncodingFailed(f"there is no Ray cluster at {address}: {error}") from error
