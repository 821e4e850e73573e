"""Encoding on Ray: the same bytes whoever encodes, a killed worker, what cannot be reached, and nothing left behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

import indexer.build
from indexer import index_folder
from indexer import index_version as versions
from indexer.__main__ import main
from indexer.config import BuildConfig
from indexer.errors import ConfigError, EncodingFailed, MissingLibrary
from indexer.features.encoder_quantisation import read_starter_texts
from indexer.features.text_encoder import TextEncoder
from indexer.ray_encoding import cluster as clusters
from indexer.ray_encoding.actor import unpack
from indexer.ray_encoding.cluster import RayCluster
from indexer.ray_encoding.plan import ROW, TEXT, write_bundles
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS

ROOT = Path(__file__).resolve().parents[1]
PROC = Path("/proc")

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (requirements-ray.txt)"
)


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> TextEncoder:
    return TextEncoder.open(encoder_folder)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Sentences of all lengths, and some texts too short for the model of sentences."""
    return ["rock", *read_starter_texts()[:250], "Casablanca", "a quiet winter"]


@pytest.fixture(scope="module")
def expected(encoder: TextEncoder, texts: list[str]) -> npt.NDArray[np.float32]:
    return encoder.encode_all(texts)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A cluster of its own, for all of this module: starting one takes seconds."""
    with RayCluster("local", least_texts=200) as started:
        yield started


def processes_of(folder: Path, word: str = "") -> list[int]:
    """Processes that know of a cluster's folder by their environment, and whose command line holds ``word``."""
    found = []
    for each in PROC.iterdir():
        try:
            if (
                each.name.isdigit()
                and bytes(folder) in (each / "environ").read_bytes()
                and word.encode() in (each / "cmdline").read_bytes()
            ):
                found.append(int(each.name))
        except OSError:
            # Gone, or going.
            continue
    return found


@needs_ray
def test_the_vectors_are_those_of_one_process(
    cluster: RayCluster,
    encoder: TextEncoder,
    encoder_folder: Path,
    texts: list[str],
    expected: npt.NDArray[np.float32],
) -> None:
    told: list[tuple[int, int]] = []
    before = cluster.facts["texts"]
    found = cluster.encode_all(encoder, encoder_folder, texts, lambda done, total: told.append((done, total)))
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (len(texts), len(texts))
    assert 0 < told[0][0] < len(texts)
    assert cluster.facts["texts"] - before == len(texts)
    assert cluster.facts["cluster"] == "local"


@needs_ray
def test_a_killed_worker_costs_no_row(
    cluster: RayCluster,
    encoder: TextEncoder,
    encoder_folder: Path,
    texts: list[str],
    expected: npt.NDArray[np.float32],
) -> None:
    killed: list[int] = []
    done_then: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if not killed:
            killed.append(processes_of(cluster.folder, "MapWorker")[0])
            os.kill(killed[0], signal.SIGKILL)
            done_then.append(done)

    found = cluster.encode_all(encoder, encoder_folder, texts, kill_one)
    assert done_then[0] < len(texts) // 2
    assert killed[0] not in processes_of(cluster.folder)
    assert found.tobytes() == expected.tobytes()


@needs_ray
def test_few_texts_are_not_sent(cluster: RayCluster, encoder: TextEncoder, encoder_folder: Path) -> None:
    before = cluster.facts["texts"]
    few = ["rock", "pop"]
    assert cluster.encode_all(encoder, encoder_folder, few).tobytes() == encoder.encode_all(few).tobytes()
    assert cluster.facts["texts"] == before


@needs_ray
def test_a_worker_that_encodes_otherwise_is_not_used(
    cluster: RayCluster, encoder: TextEncoder, encoder_folder: Path, texts: list[str]
) -> None:
    class Other:
        """What another machine's encoder would look like from here."""

        dimension = encoder.dimension
        cut = encoder.cut

        def encode_all(self, some: Sequence[str], workers: int | None = None) -> npt.NDArray[np.float32]:
            return encoder.encode_all(some)[:, ::-1]

    with pytest.raises(EncodingFailed, match=r"a worker encodes unlike this machine \(cosine -?0\.\d+\)"):
        cluster.encode_all(cast(TextEncoder, Other()), encoder_folder, texts)


@needs_ray
def test_a_build_writes_the_same_files(
    cluster: RayCluster, indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that the starter's build encoded, encoded again on Ray: only the manifest may differ."""
    first = versions.verify(indexes / index_folder.current_name(indexes))
    sent = cluster.facts["texts"]
    monkeypatch.setattr(indexer.build, "RayCluster", lambda _address: nullcontext(cluster))
    forget_rows(monkeypatch)
    # The larger calls are enough: every one makes its actors anew.
    monkeypatch.setattr(cluster, "_least_texts", 300)
    name = indexer.build.build(
        BuildConfig(movies=MOVIES, tracks=TRACKS, soundtracks=SOUNDTRACKS, indexes=indexes, ray="local")
    )
    second = versions.verify(indexes / name)
    assert second["files"] == first["files"]
    assert second["build"]["rows_encoded"] == first["build"]["rows_encoded"]
    assert second["build"]["ray"]["texts"] - sent >= 370
    assert second["build"]["settings"] == first["build"]["settings"] | {"ray": "local"}
    assert "ray" not in first["build"]


def forget_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a build take over the served version's encoder, and none of its rows."""
    nothing = (np.zeros((0, 16), dtype=np.uint8), np.zeros((0, 384), dtype=np.float16))
    monkeypatch.setattr(versions, "load_embeddings", lambda _folder: nothing)


@needs_ray
def test_the_cluster_keeps_to_this_machine(cluster: RayCluster) -> None:
    """Every socket that listens is on the loopback interface, and nothing is reported to anyone."""
    pids = processes_of(cluster.folder)
    inodes = {
        str(target)
        for pid in pids
        for link in (PROC / str(pid) / "fd").iterdir()
        if link.is_symlink() and str(target := link.readlink()).startswith("socket:")
    }
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                addresses.add(fields[1].rpartition(":")[0])
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    for pid in pids:
        assert b"RAY_USAGE_STATS_ENABLED=0" in environment_of(pid)


def environment_of(pid: int) -> list[bytes]:
    """What a process was started with; its parent's, which it took over, where it wrote its title over its own."""
    found = (PROC / str(pid) / "environ").read_bytes()
    if found.startswith(b"\0"):
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return environment_of(int(fields[1]))
    return found.split(b"\0")


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster that somebody else started; it ends with the test."""
    port, client_port = free_ports(2)
    # As the build's own: loopback only. Builds that join inherit it.
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    # Short: sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        options = {
            "--port": port,
            "--ray-client-server-port": client_port,
            "--node-ip-address": "127.0.0.1",
            "--num-cpus": 2,
            "--include-dashboard": "false",
            "--dashboard-agent-listen-port": 0,
            "--object-store-memory": 256 * 2**20,
            "--temp-dir": folder,
        }
        words = [str(word) for option in options.items() for word in option]
        program = "from ray.scripts.scripts import main; main()"
        with (Path(folder) / "head.log").open("wb") as log:
            head = subprocess.Popen(
                [sys.executable, "-c", program, "start", "--head", "--block", *words],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            for each in (port, client_port):
                wait_for_port(each, head)
            yield f"ray://127.0.0.1:{client_port}"
        finally:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in taken]


def wait_for_port(port: int, head: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while head.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            threading.Event().wait(0.05)
    pytest.fail(f"the cluster to join does not listen on {port}")


@needs_ray
def test_a_cluster_can_be_joined(
    joined: str,
    encoder: TextEncoder,
    encoder_folder: Path,
    texts: list[str],
) -> None:
    """As its client, the longer way: code and encoder are sent, and the bytes are those of one process."""
    with RayCluster(joined, least_texts=1) as cluster:
        found = cluster.encode_all(encoder, encoder_folder, texts[:60])
        facts = cluster.facts
    assert found.tobytes() == encoder.encode_all(texts[:60]).tobytes()
    assert (facts["cluster"], facts["cores"], facts["texts"]) == ("joined", 2, 60)
    assert not cluster.folder.exists()


INTERRUPTED_BUILD = """
import sys
from functools import partial

import numpy as np

import indexer.build
from indexer import index_version
from indexer.__main__ import main
from indexer.ray_encoding.cluster import RayCluster

class Told(RayCluster):
    def encode_all(self, encoder, folder, texts, on_progress=None):
        def tell(done, total):
            print("FOLDER", self.folder, flush=True)
            sys.stdin.read()
        return super().encode_all(encoder, folder, texts, tell)

nothing = (np.zeros((0, 16), dtype=np.uint8), np.zeros((0, 384), dtype=np.float16))
index_version.load_embeddings = lambda folder: nothing
indexer.build.RayCluster = partial(Told, least_texts=1)
sys.exit(main(["build", "--starter", "--ray", "--indexes", sys.argv[1]]))
"""


@needs_ray
def test_an_interrupt_leaves_nothing_running(indexes: Path) -> None:
    served = index_folder.current_name(indexes)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_BUILD, str(indexes)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as build:
        assert build.stdout
        folder = Path(build.stdout.readline().removeprefix("FOLDER ").strip())
        assert folder.is_dir()
        assert processes_of(folder, "MapWorker")
        build.send_signal(signal.SIGINT)
        _, complaint = build.communicate(timeout=60)
    assert build.returncode == 130
    last = complaint.strip().splitlines()[-1]
    assert last == f"segue: interrupted; {served} is still served"
    assert "Traceback" not in complaint
    assert not folder.exists()
    wait_until_gone(folder)
    assert index_folder.current_name(indexes) == served


def wait_until_gone(folder: Path) -> None:
    """Ray's last workers end by themselves when they find it gone."""
    deadline = time.monotonic() + 20
    while left := processes_of(folder):
        assert time.monotonic() < deadline, left
        threading.Event().wait(0.05)


@needs_ray
def test_a_cluster_that_is_not_there_is_said_at_once(
    indexes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    served = index_folder.current_name(indexes)
    assert main(["build", "--starter", "--ray", address, "--indexes", str(indexes)]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"segue: there is no Ray cluster at {address}: ")
    assert "\n" not in said
    assert index_folder.current_name(indexes) == served


@needs_ray
@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_what_listens_and_says_nothing_is_given_up(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_READY_S", 2.0)
    monkeypatch.setattr(clusters, "_STOP_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}127.0.0.1:{silent.getsockname()[1]}"
        asked = RayCluster(address)
        with pytest.raises(EncodingFailed, match="has not answered for 2 s"), asked:
            pytest.fail("entered")
    assert not asked.folder.exists()
    wait_until_gone(asked.folder)


def test_without_ray_it_is_said_what_to_install(
    indexes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clusters, "find_spec", lambda name: None)
    with pytest.raises(MissingLibrary):
        RayCluster("local")
    assert main(["build", "--starter", "--ray", "--indexes", str(indexes)]) == 1
    assert capsys.readouterr().err == (
        "segue: build --ray needs Ray, which is not installed: python -m pip install -r requirements-ray.txt\n"
    )


@pytest.mark.parametrize(
    "address", ["", "here", "host", "host:", "host:port", "http://host:1", "ray://host", "a b:1"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="ray takes local, auto, HOST:PORT or ray://HOST:PORT, not "):
        BuildConfig(movies=MOVIES, tracks=TRACKS, ray=address)


@pytest.mark.parametrize(
    "address", ["local", "auto", "node-1.example.org:6379", "ray://10.0.0.1:10001", "[::1]:6379"]
)
def test_an_address_is_taken_and_not_written_into_the_manifest(address: str) -> None:
    config = BuildConfig(movies=MOVIES, tracks=TRACKS, ray=address)
    assert config.to_dict()["ray"] == (address if address in ("local", "auto") else "address")


def test_bundles_are_whole_batches_of_the_encoder(
    encoder: TextEncoder, texts: list[str], tmp_path: Path
) -> None:
    """Each is read at once by one actor: were a batch cut in two, last digits would change."""
    count = write_bundles(encoder, texts, 2, tmp_path / "texts.arrow")
    with pa.memory_map(str(tmp_path / "texts.arrow")) as source:
        bundles = pa.ipc.open_file(source)
        read = [bundles.get_batch(number).to_pydict() for number in range(bundles.num_record_batches)]
    assert len(read) == count >= 8
    rows = [row for bundle in read for row in bundle[ROW]]
    assert sorted(rows) == list(range(len(texts)))
    assert [text for bundle in read for text in bundle[TEXT]] == [texts[row] for row in rows]
    whole = [encoder.encode_all(bundle[TEXT], workers=1) for bundle in read]
    assert np.concatenate(whole).tobytes() == encoder.encode_all(texts)[rows].tobytes()


def test_a_damaged_file_of_the_encoder_is_not_opened(tmp_path: Path) -> None:
    right = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # SHA-256 of "hello"
    unpack({"a": b"hello"}, {"a": right}, tmp_path)
    assert (tmp_path / "a").read_bytes() == b"hello"
    for files in ({"a": b"hellp"}, {}):
        with pytest.raises(EncodingFailed, match="the encoder's a did not arrive at a worker as it was sent"):
            unpack(files, {"a": right}, tmp_path)


def test_nothing_loads_ray_unless_asked(indexes: Path) -> None:
    program = """
        import sys
        from indexer.__main__ import main
        assert main(["build", "--starter", "--indexes", sys.argv[1]]) == 0
        import server.app
        print("LOADED", sorted(name for name in sys.modules if name.split(".")[0] == "ray"))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(indexes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"
