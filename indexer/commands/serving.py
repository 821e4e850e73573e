"""``python -m indexer check · publish · rollback · list · prune``: which version is served, here or on Milvus."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from indexer import index_folder, publication
from indexer import index_version as versions
from indexer.commands import AddCommand
from indexer.commands.build import FORCE
from indexer.commands.option_values import not_negative
from indexer.commands.progress_bars import Bars
from indexer.environment import read_environment
from indexer.errors import ConfigError, VersionNotFound
from indexer.milvus.variables import make_engine, read_params

if TYPE_CHECKING:
    from indexer.milvus.engine import MilvusEngine

ENGINES = ("faiss", "milvus")
#: As ``indexer.milvus.collections`` has them, which loads the client of Milvus.
_INDEX_KINDS = ("auto", "flat", "hnsw", "ivf_flat")


def add_to(command: AddCommand) -> None:
    """Declare the commands."""
    check = command("check", _check, "Verify a version: every file's SHA-256, counts and dimensions.")
    check.add_argument("version", nargs="?", help="its name (default: the served one)")
    publish = command("publish", _publish, "Serve a version that is already built.")
    publish.add_argument("version", help="its name")
    publish.add_argument("--force", action="store_true", help=FORCE)
    publish.add_argument(
        "--milvus-index",
        choices=_INDEX_KINDS,
        default="auto",
        help="how Milvus indexes vectors: auto is flat, which compares all, for few rows, else ivf_flat (auto)",
    )
    rollback = command("rollback", _rollback, "Serve the version that was served before.")
    listing = command("list", _list, "List the versions; * marks the served one.")
    prune = command("prune", _prune, "Delete old versions; the served one always stays.")
    prune.add_argument("--keep", type=not_negative, default=3, help="how many of the newest to keep (3)")
    for parser in (check, publish, rollback, listing, prune):
        _add_engine(parser)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="where vectors are searched (SEGUE_ENGINE, else faiss); credentials and certificates for Milvus are "
        "taken from the server's variables, SEGUE_MILVUS_TOKEN and so on",
    )
    parser.add_argument("--milvus-uri", help="where Milvus is, as in http://host:19530 (SEGUE_MILVUS_URI)")


def serves_from_milvus(options: argparse.Namespace) -> bool:
    """Whether a command is about Milvus; ConfigError for an unknown engine in the environment."""
    engine = getattr(options, "engine", "faiss") or read_environment().get("SEGUE_ENGINE", "").strip().lower()
    if engine and engine not in ENGINES:
        raise ConfigError(f"SEGUE_ENGINE must be one of {', '.join(ENGINES)}, not {engine[:40]!r}")
    return engine == "milvus"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _engine(options: argparse.Namespace) -> MilvusEngine | None:
    if not serves_from_milvus(options):
        return None
    return make_engine(read_params(read_environment(), options.milvus_uri))


def _check(options: argparse.Namespace) -> None:
    engine = _engine(options)
    name = options.version
    if engine is not None:
        from indexer.milvus.publishing import Publisher

        name = Publisher(engine, options.indexes).check(name)
        manifest = versions.verify(index_folder.folder_of(options.indexes, name), engine.source(name))
        where = " on Milvus"
    else:
        version = versions.open_version(options.indexes, name)
        version.close()
        name, manifest, where = version.name, version.manifest, ""
    counts = manifest["counts"]
    size = sum(facts["size_bytes"] for facts in manifest["files"].values())
    _say(
        f"{name} is whole{where}: {counts['movies']:,} films, {counts['tracks']:,} songs, {size / 1e6:.0f} MB"
    )


def _publish(options: argparse.Namespace) -> None:
    engine = _engine(options)
    if engine is None:
        if options.milvus_index != "auto":
            raise ConfigError("--milvus-index goes with --engine milvus")
        with index_folder.lock(options.indexes):
            publication.publish(options.indexes, options.version, options.force)
        _say(f"{options.version} is served")
        return
    from indexer.milvus.publishing import Publisher

    with index_folder.lock(options.indexes), Bars() as bars:
        Publisher(engine, options.indexes, bars).publish(options.version, options.milvus_index, options.force)
    _say(f"{options.version} is served on Milvus")


def _rollback(options: argparse.Namespace) -> None:
    engine = _engine(options)
    with index_folder.lock(options.indexes):
        if engine is None:
            _say(f"{publication.rollback(options.indexes)} is served")
            return
        from indexer.milvus.publishing import Publisher

        _say(f"{Publisher(engine, options.indexes).rollback()} is served on Milvus")


def _list(options: argparse.Namespace) -> None:
    engine = _engine(options)
    if engine is not None:
        from indexer.milvus.publishing import Publisher

        publisher = Publisher(engine, options.indexes)
        states, on_engine = publisher.states(), publisher.served()
        for name in sorted({*versions.list_names(options.indexes), *states}):
            state = {True: "on Milvus", False: "half-loaded on Milvus", None: "in the folder only"}
            _say(f"{'*' if name == on_engine else ' '} {name}  {state[states.get(name)]}")
        return
    try:
        served = index_folder.current_name(options.indexes)
    except VersionNotFound:
        served = ""
    for name in versions.list_names(options.indexes):
        _say(f"{'*' if name == served else ' '} {name}")


def _prune(options: argparse.Namespace) -> None:
    engine = _engine(options)
    with index_folder.lock(options.indexes):
        if engine is None:
            for name in publication.prune(options.indexes, options.keep):
                _say(f"deleted {name}")
            return
        from indexer.milvus.publishing import Publisher

        for name in Publisher(engine, options.indexes).prune(options.keep):
            _say(f"dropped {name} from Milvus")
