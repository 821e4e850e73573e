"""The benchmark of a million, small: what was kept is loaded into Milvus, searched and served from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from indexer.benchmarks import million
from indexer.benchmarks.__main__ import main
from indexer.index_folder import current_name
from tests.milvus.engines import drop_index_files
from tests.milvus.standalone import Standalone
from tests.test_benchmarks_million import run_here


def test_a_kept_million_is_searched_and_served_from_milvus(
    milvus_standalone: Standalone, starter_indexes: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(million, "run_apart", run_here)
    scratch, written = tmp_path / "scratch", tmp_path / "found.json"
    arguments = ["million", "--indexes", str(starter_indexes), "--films", "60", "--songs", "50"]
    arguments += ["--queries", "8", "--requests", "2", "--scratch", str(scratch)]
    assert main([*arguments, "--compare", "--no-map", "--keep"]) == 0
    serve = million._serve

    def serve_without_faiss(indexes: Path, *others: Any) -> dict[str, Any]:
        # A server that searched on FAISS after all would not start without these.
        drop_index_files(indexes / current_name(indexes))
        return serve(indexes, *others)

    monkeypatch.setattr(million, "_serve", serve_without_faiss)
    token = tmp_path / "token"
    token.write_text(f"{milvus_standalone.token}\n", encoding="utf-8")
    arguments += ["--kept", "--engine", "milvus", "--milvus-uri", milvus_standalone.uri]
    arguments += ["--milvus-token-file", str(token), "--milvus-group", str(milvus_standalone.group)]
    assert main([*arguments, "--milvus-prefix", "kept", "--json", str(written)]) == 0
    stages = json.loads(written.read_text(encoding="utf-8"))["stages"]
    searches = ["search movies, Milvus", "search tracks, Milvus"]
    assert list(stages) == ["publish on Milvus", *searches, "serve from Milvus", "remove from Milvus"]
    assert stages["publish on Milvus"]["rows"] == {"movies": 60, "tracks": 50}
    assert stages["publish on Milvus"]["server_bytes"] > 50 * 2**20
    for name in searches:
        assert {found["recall_10"] for found in stages[name]["searches"].values()} == {1.0}
        assert "bytes_a_vector" not in stages[name]
    served = stages["serve from Milvus"]["scenarios"]
    assert [row["errors"] for row in served] == [0] * len(served)
