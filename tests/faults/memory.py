"""A ceiling on memory (RLIMIT_AS) while a version is opened: at the start of a program, and beside a served one."""

from __future__ import annotations

import resource
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime  # noqa: F401 - loaded late by the encoder; its code is not what is short of memory here

from indexer import index_folder, publication
from indexer.__main__ import main
from server.search import Query, Search
from tests.faults.children import last_words, run_child
from tests.faults.commands import link_twin
from tests.faults.server_process import Load, ServerProcess, start_server
from tests.faults.small_index import start_warm
from tests.faults.verdict import Verdict
from tests.faults.workload import mixed_requests, version_of

CLAIM = "too little memory is said in one line, never a crash; a server goes on with the version it has"
_MIB = 2**20
#: What a server may still take while it is asked to load a version: too little for any.
_ROOM_BYTES = 48 * _MIB
_NOTICED_S = 60.0
_HANGS_S = 60.0
#: What a program that opens a version can catch and say.
_CLEAR = (
    "MemoryError",
    "numpy._core._exceptions._ArrayMemoryError",
    "indexer.errors.",
    "OSError: [Errno 12]",
)


def run_memory(indexes: Path | None, port: int, ceilings: int) -> Verdict:
    """Open a version under ``ceilings`` limits, from little to enough; then publish one to a server without room."""
    verdict = Verdict("memory", CLAIM)
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made) / "indexes"
        source = indexes or start_warm(Path(made)).indexes
        name = index_folder.current_name(source)
        shutil.copytree(source / name, copy / name)
        (copy / "CURRENT").write_text(f"{name}\n", encoding="utf-8")
        _open_below(verdict, copy, ceilings)
        _refuse_beside(verdict, copy, port)
    return verdict.finish()


def _open_below(verdict: Verdict, indexes: Path, ceilings: int) -> None:
    before = _address_space()
    full = run_child(lambda: _search(indexes))
    if not verdict.expect(full.value is not None, f"without a limit it does not open: {last_words(full)}"):
        return
    needed = max(full.value["bytes"] - before, _MIB)
    verdict.figures["address space of a version, MiB"] = round(needed / _MIB, 1)
    actions: dict[str, Callable[[], Any]] = {
        "check": lambda: main(["check", "--indexes", str(indexes)]),
        "search": lambda: _search(indexes),
    }
    for turn in range(1, ceilings + 1):
        # Twice what was measured at the most: allocators ask for more than they use, so enough is not exact.
        room = 2 * needed * turn // ceilings
        for name, action in actions.items():
            about = f"{name} with {room / _MIB:.1f} of {needed / _MIB:.1f} MiB"
            outcome = run_child(
                action, limits={resource.RLIMIT_AS: _address_space() + room}, deadline_s=_HANGS_S
            )
            said = [line for line in outcome.printed.splitlines() if line.strip()]
            if outcome.hung:
                verdict.count("neither")
                verdict.fail(f"{about}: {last_words(outcome)}")
            elif outcome.code == 0:
                verdict.count("opened")
            elif outcome.code == 1 and name == "check":
                verdict.count("refused")
                verdict.expect(len(said) == 1 and said[0].startswith("segue: "), f"{about}: says {said}")
            elif outcome.printed.rstrip().rpartition("\n")[2].startswith(_CLEAR):
                verdict.count("refused")
            else:
                verdict.count("neither")
                verdict.fail(f"{about}: {last_words(outcome)}")


def _search(indexes: Path) -> dict[str, int]:
    """Open and use everything; gives the address space then."""
    search = Search.open(indexes)
    search.find(Query("tracks", text="rain"))
    return {"bytes": _address_space()}


def _address_space(pid: int | str = "self") -> int:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _refuse_beside(verdict: Verdict, indexes: Path, port: int) -> None:
    old = index_folder.current_name(indexes)
    new = link_twin(indexes, "newer")
    requests = mixed_requests(indexes)
    # One process, so that the one which is limited is the one that answers.
    settings = {"SEGUE_POLL_S": "0.2", "SEGUE_WORKERS": "1"}
    with start_server(indexes, port, settings) as server:
        for request in requests[:14]:
            server.ask(*request)
        _limit(server, _ROOM_BYTES)
        with Load(server, requests, clients=2) as load:
            _publish(indexes, new)
            refused = server.wait_for(lambda: server.ready().get("refused") is not None, _NOTICED_S)
            ready = server.ready()
        verdict.expect(refused, f"the version without room is not refused: {ready}")
        verdict.expect(ready["index_version"] == old, f"{ready['index_version']} answers instead of {old}")
        reason = (ready.get("refused") or {}).get("reason", "")
        verdict.expect("/" not in reason and bool(reason), f"the reason given: {reason!r}")
        verdict.figures["reason"] = reason
        verdict.count("requests meanwhile", len(load.seconds))
        verdict.expect(not load.failures, f"{len(load.failures)} requests failed, first {load.failures[:1]}")
        _limit(server, None)
        taken = server.wait_for(lambda: server.ready()["index_version"] == new, _NOTICED_S)
        verdict.expect(taken, "with room again, the new version is not taken")
        verdict.expect(
            version_of(server.ask(*requests[0]).body) == new, "an answer is not from the new version"
        )


def _limit(server: ServerProcess, room: int | None) -> None:
    """Limit every process that serves to what it has now and ``room`` more; None lifts the limit."""
    for pid in server.pids():
        _soft, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        limit = hard if room is None else _address_space(pid) + room
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, hard))


def _publish(indexes: Path, name: str) -> None:
    with index_folder.lock(indexes):
        publication.publish(indexes, name, force=True)
