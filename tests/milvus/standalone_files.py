"""What Milvus' standalone server is started with: its program, its ports and its configuration."""

from __future__ import annotations

import json
import lzma
import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from indexer.errors import SegueError

HOST: Final = "127.0.0.1"
#: Ports that a server opens; all but the first are its own business.
PORTS: Final = (
    "proxy",
    "health",
    "internal",
    "root",
    "query",
    "query_node",
    "index_node",
    "data",
    "data_node",
    "etcd",
    "peer",
)
#: A server that was killed comes back when the sessions of the old one have run out; one frozen for longer ends.
_SESSION_S: Final = 10


class StandaloneError(SegueError):
    """The standalone server cannot be started, stopped or found; one line for people."""


def find_package(environment: Path) -> Path:
    """Find the data folder of the package ``milvus`` in a virtual environment; StandaloneError where there is none."""
    for folder in sorted(environment.glob("lib/python3*/site-packages/milvus/data")):
        if (folder / "bin" / "milvus.lzma").is_file():
            return folder
    raise StandaloneError(f"the package milvus is not installed in {environment}")


def unpack_programs(package: Path) -> Path:
    """Unpack the server and its libraries, 250 MB, beside the package, once for all; gives their folder."""
    programs = package / "unpacked"
    if programs.exists():
        return programs
    target = Path(tempfile.mkdtemp(prefix="unpacking-", dir=package))
    for packed in sorted((package / "bin").glob("*.lzma")):
        file = target / packed.stem
        with lzma.open(packed) as source, file.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        file.chmod(0o755)
    try:
        target.rename(programs)
    except OSError:
        shutil.rmtree(target)  # another process was faster
        if not programs.exists():
            raise
    return programs


def choose_ports(before: Mapping[str, int]) -> dict[str, int]:
    """Choose free ports, those of last time where they still are; StandaloneError where the wanted one is taken."""
    wanted = before.get("proxy", 0)
    if wanted and not is_free(wanted):
        raise StandaloneError(f"port {wanted} is taken; give another, or stop what listens there")
    chosen: dict[str, int] = {}
    taken: list[socket.socket] = []
    try:
        for name in PORTS:
            sock = socket.socket()
            taken.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("", before.get(name, 0)))
            except OSError:
                sock.bind(("", 0))
            chosen[name] = sock.getsockname()[1]
    finally:
        for sock in taken:
            sock.close()
    return chosen


def is_free(port: int) -> bool:
    """Whether nothing listens at a port."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("", port))
        except OSError:
            return False
        return True


def write_configuration(
    folder: Path, package: Path, ports: Mapping[str, int], settings: Mapping[str, Any]
) -> None:
    """Write what the server reads when it starts, and again every few seconds; ``settings`` by dotted names."""
    (folder / "configs").mkdir(exist_ok=True)
    shutil.copy(package / "glog.conf", folder / "configs" / "glog.conf")
    configuration = _configure(folder, ports)
    for path, value in settings.items():
        at = configuration
        *parents, last = path.split(".")
        for name in parents:
            at = at.setdefault(name, {})
        at[last] = value
    # JSON is YAML.
    replace_text(folder / "configs" / "milvus.yaml", json.dumps(configuration, indent=1))
    replace_text(folder / "configs" / "etcd.yaml", json.dumps(_configure_etcd(folder, ports)))


def replace_text(path: Path, text: str) -> None:
    """Write a file as a whole, for those who may be reading it."""
    path.with_suffix(".new").write_text(text, encoding="utf-8")
    path.with_suffix(".new").replace(path)


def _configure(folder: Path, ports: Mapping[str, int]) -> dict[str, Any]:
    # What is not named here has its default in the program. The addresses are what parts of the server call each other
    # by; this release listens on all interfaces whatever they are.
    def service(name: str) -> dict[str, Any]:
        return {"ip": HOST, "port": ports[name]}

    return {
        "etcd": {
            "endpoints": f"{HOST}:{ports['etcd']}",
            "rootPath": "segue",
            "use": {"embed": True},
            "data": {"dir": str(folder / "etcd")},
            "config": {"path": str(folder / "configs" / "etcd.yaml")},
            "log": {"level": "error", "path": str(folder / "etcd.log")},
        },
        "localStorage": {"path": str(folder / "data")},
        "mq": {"type": "rocksmq"},
        "rocksmq": {"path": str(folder / "rocksmq")},
        "proxy": service("proxy") | {"internalPort": ports["internal"]},
        "rootCoord": service("root"),
        "queryCoord": service("query"),
        "queryNode": service("query_node"),
        "indexCoord": {"bindIndexNodeMode": {"enable": False, "address": f"{HOST}:{ports['index_node']}"}},
        "indexNode": service("index_node") | {"enableDisk": False},
        "dataCoord": service("data"),
        "dataNode": service("data_node"),
        "log": {"level": "warn", "stdout": True},
        "common": {
            "storageType": "local",
            "gracefulStopTimeout": 3,  # s; the default is half an hour
            "session": {"ttl": _SESSION_S},
            "security": {"authorizationEnabled": True},
        },
        "quotaAndLimits": {"enabled": True, "quotaCenterCollectInterval": 1},
    }


def _configure_etcd(folder: Path, ports: Mapping[str, int]) -> dict[str, Any]:
    # Without it, two servers on one machine quarrel about etcd's usual ports.
    clients, peers = (f"http://{HOST}:{ports[name]}" for name in ("etcd", "peer"))
    return {
        "name": "default",
        "data-dir": str(folder / "etcd"),
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
    }
