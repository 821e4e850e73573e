"""The process that speaks to Ray, started by ``cluster`` and ended with it: JSON messages over one connection.

Apart from the build, it may take Ray's settings from variables of its own, write what Ray says to a file, keep
Ray's signal handlers away from the build, and be killed where a cluster keeps it waiting.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import shutil
import signal
import sys
import threading
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.util.client import ray as client

from indexer.config import RAY_WORDS
from indexer.errors import EncodingFailed
from indexer.ray_encoding.actor import VECTOR
from indexer.ray_encoding.pipeline import Sent, encode_bundles, encode_from_client
from indexer.ray_encoding.plan import ROW

_logger = logging.getLogger(__name__)

#: In place of an address: a cluster of its own, on this machine.
LOCAL = RAY_WORDS[0]

#: Bytes of Ray's shared memory on this machine: the encoder, and some seconds' texts and vectors on their way.
_OBJECT_STORE_BYTES = 512 * 2**20
#: Workers of a joined cluster must answer by then, nodes that are still to start included.
_FIRST_ANSWER_S = 300.0
#: Variables of workers: they tokenise on the core that they have.
_WORKER_VARIABLES = {"TOKENIZERS_PARALLELISM": "false"}


class _Driver:
    """Answers a build: ``{"address", …}`` → ``{"ready"}``; ``{"texts", …}`` → ``{"done"}``, often, then with ``"end"``.

    In place of either: ``{"error"}``.
    """

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._is_local = True
        self._encoders: dict[str, tuple[Any, dict[str, str]]] = {}

    def answer(self, message: dict[str, Any]) -> None:
        """Do what the build asks, or say in one line why that cannot be done; the whole of it goes to the log."""
        try:
            if "address" in message:
                self._connect(message)
            else:
                self._encode(message)
        except Exception as error:
            _logger.exception("a message of the build's could not be answered")
            self._say(error=_explain(error))

    def _connect(self, start: dict[str, Any]) -> None:
        """Start or join Ray as told, and say which Ray it is."""
        address = start["address"]
        self._is_local = address == LOCAL
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._is_local:
            ray.init(
                LOCAL,
                num_cpus=start["cores"],
                num_gpus=0,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=start["folder"],
                **quiet,
            )
        else:
            # Workers get this very code; numpy, pyarrow, onnxruntime and tokenizers are to be there.
            code = str(Path(__file__).resolve().parents[1])
            environment = {"py_modules": [code], "env_vars": _WORKER_VARIABLES, "excludes": ["__pycache__"]}
            ray.init(address, runtime_env=environment, **quiet)
            _greet()
        self._say(ready=True, ray=ray.__version__, cores=int(ray.cluster_resources().get("CPU", 0)))

    def _encode(self, job: dict[str, Any]) -> None:
        """Encode a file of bundles into a ``.npy`` file, float32 (n, dimension), saying how many are done."""
        with pa.memory_map(job["texts"]) as source:
            reader = pa.ipc.open_file(source)
            bundles = [
                pa.Table.from_batches([reader.get_batch(number)])
                for number in range(reader.num_record_batches)
            ]
            files, hashes = self._send_encoder(Path(job["encoder"]))
            sent = Sent(files, hashes, job["probe"], np.array(job["expected"], dtype=np.float32))
            if client.is_connected():
                self._gather(encode_from_client(bundles, sent), job)
            else:
                self._gather(encode_bundles(bundles, sent, self._is_local), job)

    def _gather(self, encoded: Iterable[pa.Table], job: dict[str, Any]) -> None:
        """Put vectors in their rows as they come; raises ``EncodingFailed`` where one came twice or never."""
        shape = (job["count"], job["dimension"])
        vectors = np.lib.format.open_memmap(job["vectors"], "w+", np.float32, shape)
        times = np.zeros(len(vectors), dtype=np.int64)
        done = 0
        for bundle in encoded:
            rows = bundle.column(ROW).to_numpy()
            flat = bundle.column(VECTOR).combine_chunks().flatten().to_numpy()
            vectors[rows] = flat.reshape(len(rows), vectors.shape[1])
            np.add.at(times, rows, 1)
            done += len(rows)
            self._say(done=done)
        if not np.all(times == 1):
            raise EncodingFailed(
                f"{np.count_nonzero(times == 0)} of {len(times)} texts came back without a vector and "
                f"{np.count_nonzero(times > 1)} with several"
            )
        vectors.flush()
        self._say(done=done, end=True)

    def _send_encoder(self, folder: Path) -> tuple[Any, dict[str, str]]:
        """Put an encoder's files into the object store, once; gives the reference and their SHA-256."""
        if str(folder) not in self._encoders:
            files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
            hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
            self._encoders[str(folder)] = (ray.put(files), hashes)
        return self._encoders[str(folder)]

    def _say(self, **message: Any) -> None:
        self._link.send_bytes(json.dumps(message).encode())


def _greet() -> None:
    """Wait for one worker to have loaded this code and its libraries; raises ``EncodingFailed`` if none does."""

    def load() -> bool:
        # Loaded where it is first needed, not where it is imported.
        import onnxruntime

        from indexer.features import text_encoder
        from indexer.ray_encoding import actor

        return all((text_encoder, actor, onnxruntime))

    try:
        ray.get(ray.remote(num_cpus=1)(load).remote(), timeout=_FIRST_ANSWER_S)
    except ray.exceptions.GetTimeoutError as error:
        raise EncodingFailed(
            f"no worker of the cluster had a free core within {_FIRST_ANSWER_S:.0f} s"
        ) from error


def _explain(error: BaseException) -> str:
    """The reason behind an error in one line: Ray wraps what a worker raised, and its traceback, in its own."""
    reason = type(error).__name__
    step: BaseException | None = error
    while step is not None:
        lines = [line.strip() for line in str(step).splitlines() if line.strip()]
        reason = lines[-1] if lines else reason
        step = getattr(step, "cause", None) or step.__cause__
    return reason.removeprefix(f"{EncodingFailed.__module__}.{EncodingFailed.__name__}: ")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _listen(link: Connection, messages: queue.Queue[dict[str, Any]], is_left: threading.Event) -> None:
    """Take messages until the build lets go of the connection or is gone; then end this process, whatever it does."""
    try:
        while True:
            messages.put(json.loads(link.recv_bytes()))
    except (EOFError, OSError):
        is_left.set()
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve one build. Arguments: the connection's descriptor, and a folder that goes when the build is gone."""
    descriptor, folder = int(sys.argv[1]), Path(sys.argv[2])
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGTERM, _stop)
    link = Connection(descriptor)
    driver = _Driver(link)
    messages: queue.Queue[dict[str, Any]] = queue.Queue()
    is_left = threading.Event()
    threading.Thread(target=_listen, args=(link, messages, is_left), daemon=True).start()
    try:
        driver.answer(messages.get())
        # Ray has put a handler of its own there.
        signal.signal(signal.SIGTERM, _stop)
        while True:
            driver.answer(messages.get())
    finally:
        ray.shutdown()
        if is_left.is_set():
            # A build that was killed cannot do it.
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
