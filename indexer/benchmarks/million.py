"""A million films and a million songs through every stage of a build, publication and serving, on one machine.

The catalogue is made up (see ``million_data``). Encoding so many texts would take hours, so their number is told
instead; what a build fits to its catalogue (space, hub term, relevance) is taken from the real version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from indexer import index_folder
from indexer.benchmarks import findings, million_milvus, million_stages
from indexer.benchmarks.findings import Findings, tell
from indexer.benchmarks.fresh_process import run_fresh
from indexer.benchmarks.million_data import MadeSizes
from indexer.benchmarks.million_stages import Million
from indexer.benchmarks.million_tables import make_tables
from indexer.benchmarks.surroundings import describe as describe_surroundings
from indexer.benchmarks.surroundings import peak_bytes
from indexer.catalogue.records import Medium
from indexer.errors import ConfigError
from indexer.index_version import index_file, read_manifest
from indexer.milvus.params import MilvusParams
from indexer.space import MEDIA
from indexer.vector_index import KINDS

LIBRARIES = ("faiss-cpu", "numpy", "pandas", "openTSNE")
#: Measured apart, since ``indexer`` knows no server.
_SERVING = "server.benchmarks.million_serving"
_SERVING_TIMEOUT_S = 3_600
#: Folder of the version in ``--scratch``.
_INDEXES = "indexes"
#: Of one call; a search of a million rows without an index may take seconds.
_MILVUS_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``run`` reads."""
    parser.add_argument("--indexes", type=Path, required=True, help="a folder with a published, real version")
    parser.add_argument("--films", type=int, default=1_100_000, help="films to make up (1,100,000)")
    parser.add_argument("--songs", type=int, default=1_000_000, help="songs to make up (1,000,000)")
    parser.add_argument(
        "--noise", type=float, default=0.1, help="of a copy, as a share of each column's deviation (0.1)"
    )
    parser.add_argument("--kind", choices=("auto", *KINDS), default="auto", help="of the served indexes")
    parser.add_argument(
        "--compare",
        nargs="*",
        choices=tuple(KINDS),
        default=["rabitq", "codes"],
        help="kinds built beside them",
    )
    parser.add_argument(
        "--compare-media", nargs="+", choices=MEDIA, default=["movies"], help="for these media (movies)"
    )
    parser.add_argument("--no-map", action="store_true", help="lay out no map")
    parser.add_argument("--queries", type=int, default=200, help="half songs, half films (200)")
    parser.add_argument("--requests", type=int, default=300, help="of each sort, sent to the server (300)")
    parser.add_argument("--port", type=int, default=0, help="of the server (any)")
    parser.add_argument(
        "--encode-rate", type=float, default=380.0, help="texts a second on this machine (380)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="where to put it all meanwhile (a temporary folder)")
    parser.add_argument(
        "--engine", choices=("faiss", "milvus"), default="faiss", help="milvus: there as well"
    )
    parser.add_argument("--milvus-uri", help="where Milvus is, as in http://127.0.0.1:19530")
    parser.add_argument("--milvus-token-file", type=Path, help="a file with user:password")
    parser.add_argument("--milvus-prefix", default="bench", help="of the collections' names (bench)")
    parser.add_argument("--milvus-index", default="auto", help="index type there (auto)")
    parser.add_argument("--milvus-group", type=int, help="process group of the server, to tell its memory")
    scratch = parser.add_mutually_exclusive_group()
    scratch.add_argument("--keep", action="store_true", help="leave the version and the vectors in --scratch")
    scratch.add_argument(
        "--kept", action="store_true", help="build nothing: search and serve what --keep left in --scratch"
    )
    findings.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and deliver; 1 where a stage failed, whose reason is in the table."""
    if min(options.films, options.songs) < 1 or options.noise < 0 or options.queries < 2:
        raise ConfigError("films and songs must be at least 1, queries at least 2, and noise not negative")
    if (options.keep or options.kept) and options.scratch is None:
        raise ConfigError("--keep and --kept need --scratch: a temporary folder is removed")
    if options.engine == "milvus" and not options.milvus_uri:
        raise ConfigError("--engine milvus needs --milvus-uri")
    sizes = MadeSizes(options.films, options.songs, options.noise, options.seed)
    if options.scratch is not None:
        options.scratch.mkdir(parents=True, exist_ok=True)
    if options.kept:
        stages = _run_kept(options, sizes, options.scratch)
    elif options.keep:
        stages = _run_stages(options, sizes, options.scratch)
    else:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.scratch) as folder:
            stages = _run_stages(options, sizes, Path(folder))
    _deliver(options, stages)
    return 1 if any("failed" in stage for stage in stages.values()) else 0


class _Stages(dict[str, dict[str, Any]]):
    """What each stage found; called, it runs one in a process of its own."""

    def __call__(self, name: str, job: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        tell(name)
        found = self[name] = run_apart(job, *arguments)
        tell(f"{name}: {json.dumps({k: found.get(k) for k in ('seconds', 'peak_bytes', 'failed')})}")
        return found


def _run_kept(options: argparse.Namespace, sizes: MadeSizes, scratch: Path) -> dict[str, dict[str, Any]]:
    """Search and serve a version that was kept, on one engine."""
    stage, indexes = _Stages(), scratch / _INDEXES
    if not indexes.is_dir():
        raise ConfigError(f"nothing was kept in {scratch}; run it with --keep first")
    with index_folder.lock(indexes):
        name = index_folder.current_name(indexes)
        million = Million(options.indexes, indexes / name, scratch, sizes, options.queries)
        manifest = read_manifest(million.folder)
        if any(manifest["counts"][medium] != sizes.of(medium) for medium in MEDIA):
            raise ConfigError(
                f"{scratch} holds {manifest['counts']['movies']:,} films and {manifest['counts']['tracks']:,} songs; "
                "say so with --films and --songs"
            )
        if options.engine == "milvus":
            _run_milvus(stage, options, million, indexes, name)
            return stage
        for medium in MEDIA:
            file = million.folder / index_file(medium)
            kind = manifest["index"][medium]["kind"]
            stage(f"search {medium}", million_stages.search, million, medium, kind, file)
    stage("serve", _serve, indexes, options)
    return stage


def _run_stages(options: argparse.Namespace, sizes: MadeSizes, scratch: Path) -> dict[str, dict[str, Any]]:
    stage, indexes = _Stages(), scratch / _INDEXES
    with index_folder.lock(indexes), index_folder.new_folder(indexes) as folder:
        million = Million(options.indexes, folder, scratch, sizes, options.queries)
        stage("prepare", million_stages.prepare, million)
        stage("store", million_stages.store, million)
        stage("filters", million_stages.filters, million)
        stage("unseen", million_stages.unseen, million)
        kinds = {}
        for medium in MEDIA:
            file = folder / index_file(medium)
            built = stage(f"index {medium}", million_stages.index, million, medium, options.kind, file)
            if "kind" in built:
                kinds[medium] = {
                    key: built[key]
                    for key in ("kind", "reason", "settings", "recall_at_10", "resident_bytes")
                }
                stage(f"search {medium}", million_stages.search, million, medium, built["kind"], file)
        for medium in options.compare_media:
            for kind in options.compare:
                if kind != kinds.get(medium, {}).get("kind"):
                    _compare(stage, million, medium, kind, scratch)
        if not options.no_map:
            stage("map", million_stages.lay_out_map, million)
        sealed = stage("seal", million_stages.seal, million, kinds)
        if "name" in sealed:
            stage("publish", million_stages.publish, indexes, sealed["name"])
        if "name" in sealed and options.engine == "milvus":
            _run_milvus(stage, options, million, indexes, sealed["name"])
    if "name" in sealed:
        stage("serve", _serve, indexes, options)
    return stage


def _run_milvus(
    stage: _Stages, options: argparse.Namespace, million: Million, indexes: Path, name: str
) -> None:
    """Load, search and serve the version on Milvus, and remove it there; the caller holds the folder's lock."""
    token = million_milvus.read_token(options.milvus_token_file)
    params = MilvusParams(
        options.milvus_uri, token, prefix=options.milvus_prefix, timeout_s=_MILVUS_TIMEOUT_S
    )
    kind, group = options.milvus_index, options.milvus_group
    published = stage("publish on Milvus", million_milvus.publish, indexes, name, params, kind, group)
    if "rows" in published:
        for medium in MEDIA:
            stage(
                f"search {medium}, Milvus",
                million_milvus.search,
                million,
                indexes,
                name,
                params,
                medium,
                group,
            )
        stage("serve from Milvus", _serve, indexes, options, "milvus")
    stage("remove from Milvus", million_milvus.drop, indexes, name, params)


def _compare(stage: _Stages, million: Million, medium: Medium, kind: str, scratch: Path) -> None:
    """Build and search an index of another kind beside the served one, and remove it."""
    with tempfile.TemporaryDirectory(prefix=f"{kind}-", dir=scratch) as folder:
        file = Path(folder) / index_file(medium)
        built = stage(f"index {medium}, {kind}", million_stages.index, million, medium, kind, file)
        if "kind" in built:
            stage(f"search {medium}, {kind}", million_stages.search, million, medium, kind, file)


def run_apart(job: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run a stage in a fresh process and give what it gives with its ``peak_bytes``; why it ``failed`` where it did."""
    try:
        return run_fresh(_run, job, arguments)
    except BrokenProcessPool:
        return {"failed": "its process was ended, most likely for want of memory"}
    except Exception as error:  # noqa: BLE001  whatever a stage dies of, the figures of the others stand
        return {"failed": f"{type(error).__name__}: {error}"}


def _run(job: Callable[..., dict[str, Any]], arguments: tuple[Any, ...]) -> dict[str, Any]:
    found = job(*arguments)
    return {**found, "peak_bytes": max(peak_bytes(), found.get("peak_bytes", 0))}


def _serve(indexes: Path, options: argparse.Namespace, engine: str = "faiss") -> dict[str, Any]:
    """Start a server over the published version and measure it, in a process that may import it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        written = Path(folder) / "serving.json"
        command = [
            sys.executable,
            "-m",
            _SERVING,
            "--indexes",
            str(indexes.resolve()),
            "--json",
            str(written),
        ]
        command += [f"--requests={options.requests}", f"--port={options.port}", f"--seed={options.seed}"]
        if engine == "milvus":
            command += [f"--milvus-uri={options.milvus_uri}", f"--milvus-prefix={options.milvus_prefix}"]
            if options.milvus_token_file is not None:
                command.append(f"--milvus-token-file={options.milvus_token_file.resolve()}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SERVING_TIMEOUT_S)
        if done.returncode:
            raise ConfigError(f"the server was not measured: {done.stderr.strip()[-500:]}")
        found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
        return found


def _deliver(options: argparse.Namespace, stages: dict[str, dict[str, Any]]) -> None:
    notes = []
    if texts := stages.get("prepare", {}).get("texts", 0):
        hours = texts / options.encode_rate / 3600
        notes.append(
            f"Texts are not encoded: {texts:,} of them at {options.encode_rate:g} a second are {hours:.1f} hours. "
            "Space, hub term, moods' scale and relevance are the real version's; fitting them is not measured."
        )
    found = Findings(
        "million",
        describe_surroundings(options.seed, LIBRARIES),
        make_tables(stages),
        {"films": options.films, "songs": options.songs, "noise": options.noise, "stages": stages},
        [
            f"Made up: {options.films:,} films and {options.songs:,} songs, the real ones over and over; every copy's "
            f"vector has normal noise of {options.noise:g} of each column's standard deviation. The nearest items of "
            "one are therefore its own copies, which real catalogues do not have.",
            *notes,
            "Peak: the most that the stage's process had in memory, mapped pages included. The index and map stages "
            "hold the float32 vectors of both media, as a build does.",
        ],
    )
    findings.deliver(found, options)
