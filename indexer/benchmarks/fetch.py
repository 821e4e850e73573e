"""What fetching a data set costs on this side of the net: a stand-in host on loopback, tables made up, real sizes."""

from __future__ import annotations

import argparse
import base64
import functools
import http.server
import json
import multiprocessing
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from indexer.benchmarks import findings
from indexer.benchmarks.findings import Findings, Table
from indexer.benchmarks.surroundings import describe, peak_bytes
from indexer.fetching import data_sets, movielens, spotify_tracks, tmdb_movies
from indexer.fetching.addresses import HostPolicy
from indexer.fetching.data_sets import FILES, MOVIELENS, SPOTIFY_TRACKS, TMDB_MOVIES

#: Bytes of the real tables, unpacked, by file.
REAL_BYTES = {
    "dataset.csv": 20_100_000,
    "TMDB_movie_dataset_v11.csv": 562_700_000,
    "tags.csv": 72_000_000,
    "ratings.csv": 877_000_000,
    "links.csv": 2_000_000,
}
LIBRARIES = ("huggingface_hub", "httpx2", "kagglehub", "kagglesdk", "requests", "urllib3")
_COMMIT = "0" * 40
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--share", type=float, default=0.2, help="of the real sizes (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="of the stand-in, on loopback (any)")
    parser.add_argument(
        "--work", type=Path, help="where to put the files, four times their size (a temporary folder)"
    )
    findings.add_arguments(parser)


@dataclass(frozen=True, slots=True)
class Cost:
    """One fetch: seconds in all, until the last byte came and while unpacking; the rest is digests and disk."""

    seconds: float
    fetched_s: float
    unpacked_s: float
    cpu_s: float
    came_bytes: int
    peak_bytes: int


def run(options: argparse.Namespace) -> None:
    """Serve made-up data sets, fetch each in a process of its own, and print what it took."""
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = Path(name)
        made = make_files(folder, options.share)
        with _served(folder, options.port) as origin:
            costs = {dataset: _measure(dataset, origin, folder / f"into-{dataset}") for dataset in FILES}
    rows = [
        [
            dataset,
            f"{cost.came_bytes / 1e6:.0f}",
            f"{made[dataset] / 1e6:.0f}",
            f"{cost.seconds:.1f}",
            f"{cost.came_bytes / 1e6 / cost.fetched_s:.0f}",
            f"{made[dataset] / 1e6 / cost.unpacked_s:.0f}" if cost.unpacked_s else "–",
            f"{cost.cpu_s:.1f}",
            f"{cost.peak_bytes / 2**20:.0f}",
        ]
        for dataset, cost in costs.items()
    ]
    columns = ["data set", "MB came", "MB kept", "s", "MB/s fetched", "MB/s unpacked", "CPU s", "peak MiB"]
    notes = (
        "the host is another process on the same machine; what a real line brings comes on top",
        "s is the whole fetch: asking, fetching, digests, unpacking, writing to the disk for good",
    )
    data = {"share": options.share, "costs": {dataset: asdict(cost) for dataset, cost in costs.items()}}
    table = Table(f"Fetching from loopback, {options.share:g} of the real sizes", columns, rows)
    findings.deliver(Findings("fetch", describe(0, LIBRARIES), [table], data, notes), options)


def make_files(folder: Path, share: float) -> dict[str, int]:
    """Write the files as the hosts have them, tables packed where theirs are; gives each data set's unpacked bytes."""
    made: dict[str, int] = {}
    for dataset, names in FILES.items():
        for name in names:
            _make_table(folder / name, int(REAL_BYTES[name] * share))
        made[dataset] = sum((folder / name).stat().st_size for name in names)
        if dataset != SPOTIFY_TRACKS:
            with zipfile.ZipFile(
                folder / f"{dataset}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=6
            ) as archive:
                for name in names:
                    archive.write(folder / name, f"{dataset}/{name}")
                    (folder / name).unlink()
    return made


def _make_table(path: Path, size_bytes: int) -> None:
    """Rows like those of ratings, which pack to about a third; they repeat, but never where deflate would see it."""
    generator = np.random.default_rng(size_bytes)
    users, films = generator.integers(0, 200_000, 200_000), generator.zipf(1.3, 200_000) % 87_585
    times = generator.integers(10**9, 17 * 10**8, 200_000)
    columns = zip(users.tolist(), films.tolist(), times.tolist(), strict=True)
    rows = b"".join(b"%d,%d,4.0,%d\n" % row for row in columns)
    with path.open("wb") as stream:
        stream.write(b"id,title\n")
        while stream.tell() < size_bytes:
            stream.write(rows)
        stream.truncate(size_bytes)


@contextmanager
def _served(folder: Path, port: int) -> Iterator[str]:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(folder, port, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(folder: Path, port: int, connection: Connection) -> None:
    # Computed before anyone asks, so that no fetch waits for it.
    _digest(folder / "dataset.csv", "sha256")
    for dataset in (TMDB_MOVIES, MOVIELENS):
        _digest(folder / f"{dataset}.zip", "md5")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Host)
    _Host.folder = folder
    connection.send(server.server_address[1])
    server.serve_forever()


@functools.cache
def _digest(path: Path, algorithm: str) -> str:
    return data_sets.file_digest(path, algorithm)


class _Host(http.server.BaseHTTPRequestHandler):
    """As much of the three hosts as a fetch asks for."""

    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_HEAD(self) -> None:
        digest = _digest(self.folder / "dataset.csv", "sha256")
        size = (self.folder / "dataset.csv").stat().st_size
        self._reply(200, {"ETag": f'"{digest}"', "X-Repo-Commit": _COMMIT, "Content-Length": str(size)})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path.endswith("GetDataset"):
            body = json.dumps({"currentVersionNumber": 1}).encode()
            self._reply(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
            self.wfile.write(body)
        else:
            self._reply(302, {"Location": f"/{TMDB_MOVIES}.zip", "Content-Length": "0"})

    def do_GET(self) -> None:
        path = self.folder / self.path.rsplit("/", 1)[1].replace("ml-32m", MOVIELENS)
        if path.suffix == ".md5":
            body = _digest(path.with_suffix(""), "md5").encode()
            self._reply(200, {"Content-Length": str(len(body))})
            self.wfile.write(body)
            return
        size = path.stat().st_size
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        start, end = (int(asked[1]), min(int(asked[2] or size) + 1, size)) if asked else (0, size)
        headers = {"Content-Length": str(end - start)}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if path.name == f"{TMDB_MOVIES}.zip":
            digest = bytes.fromhex(_digest(path, "md5"))
            headers["x-goog-hash"] = f"md5={base64.b64encode(digest).decode()}"
        self._reply(206 if asked else 200, headers)
        with path.open("rb") as stream:
            self.wfile.flush()
            self.connection.sendfile(stream, start, end - start)

    def _reply(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _measure(dataset: str, origin: str, into: Path) -> Cost:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_fetch, args=(dataset, origin, into, there))
    process.start()
    there.close()
    try:
        cost: Cost = here.recv()
    finally:
        process.join()
    shutil.rmtree(into)
    return cost


def _fetch(dataset: str, origin: str, into: Path, connection: Connection) -> None:
    stages: dict[str, list[float]] = {}
    came = [0]

    def advance(stage: str, done_bytes: int, _total: int | None) -> None:
        now_s = time.monotonic()
        stages.setdefault(stage, [now_s, now_s])[1] = now_s
        if stage == "fetched":
            came[0] = done_bytes

    fetch = _fetch_of(dataset, origin, into / dataset, advance)
    started_s, cpu_s = time.monotonic(), time.process_time()
    fetch()
    spans = {stage: max(last_s - first_s, 1e-9) for stage, (first_s, last_s) in stages.items()}
    connection.send(
        Cost(
            time.monotonic() - started_s,
            spans["fetched"],
            spans.get("unpacked", 0.0),
            time.process_time() - cpu_s,
            came[0],
            peak_bytes(),
        )
    )


def _fetch_of(
    dataset: str, origin: str, home: Path, advance: Callable[[str, int, int | None], None]
) -> Callable[[], object]:
    """The fetch of a data set, with its host at the stand-in; what it imports is not measured."""
    if dataset == SPOTIFY_TRACKS:
        import huggingface_hub.file_download  # noqa: F401

        return lambda: spotify_tracks.fetch_spotify_tracks(home, advance, "main", endpoint=origin)
    if dataset == TMDB_MOVIES:
        import kagglehub  # noqa: F401
        from kagglesdk import kaggle_env

        kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = origin
        return lambda: tmdb_movies.fetch_tmdb_movies(home, advance)
    policy = HostPolicy(frozenset({origin}), permits=lambda address: address == ip_address("127.0.0.1"))
    edition = movielens.Edition("ml-32m", 0, 0)
    return lambda: movielens.fetch_movielens(home, advance, edition, policy=policy, origin=origin)
