"""Imports run one way, and a server is light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: From source files to answers; a module may import from its own layer or from the left only.
LAYERS = [
    ["indexer.errors", "indexer.environment"],
    ["indexer.catalogue"],
    ["indexer.unseen_items"],
    [
        "indexer.title_lookup",
        "indexer.record_cache",
        "indexer.catalogue_store",
        "indexer.filter_columns",
        "indexer.starter",
    ],
    ["indexer.knowledge"],
    ["indexer.fetching"],
    ["indexer.public_data"],
    ["indexer.playlists"],
    ["indexer.feedback", "indexer.feedback_database", "indexer.feedback_measures"],
    ["indexer.sound"],
    ["indexer.normalisation", "indexer.vector_cache"],
    ["indexer.features"],
    ["indexer.mel"],
    [
        "indexer.config",
        "indexer.parameters",
        "indexer.score_curve",
        "indexer.alignment",
        "indexer.metrics",
        "indexer.feel_pairs",
        "indexer.soundtracks",
        "indexer.list_groups",
    ],
    ["indexer.readers"],
    ["indexer.space"],
    ["indexer.methods"],
    ["indexer.item_features", "indexer.relevance", "indexer.knowledge_fit"],
    ["indexer.space_fit", "indexer.query_sample"],
    ["indexer.vector_index"],
    ["indexer.unseen"],
    ["indexer.map_layout"],
    ["indexer.index_folder"],
    ["indexer.index_version"],
    ["indexer.ranking"],
    ["indexer.judgements"],
    ["indexer.publication"],
    ["indexer.engine"],
    ["indexer.milvus"],
    ["indexer.ray_encoding"],
    ["indexer.encoding", "indexer.evaluation_results", "indexer.evaluation_pairs", "indexer.evaluate"],
    [
        "indexer.evaluation_labels",
        "indexer.evaluation_table",
        "indexer.evaluation_report",
        "indexer.evaluation_similar",
    ],
    ["indexer.evaluation_inputs"],
    ["indexer.evaluation_label_files"],
    ["indexer.evaluation_run"],
    ["indexer.explore"],
    ["indexer.build"],
    ["indexer.commands"],
    ["indexer.__main__", "indexer.benchmarks"],
    [
        "server.setting_values",
        "server.settings",
        "server.access",
        "server.headers",
        "server.logs",
        "server.answer_cache",
        "server.explain",
        "server.map_points",
        "server.search",
        "server.engine",
        "server.problems",
        "server.metrics",
        "server.refusals",
        "server.memory_room",
        "server.leases",
        "server.live_search",
        "server.buffering_worker",
    ],
    ["server"],
]


def layer(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    pytest.fail(f"{module} has no place in the layers")


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module in ("indexer", "server")
                else {node.module}
            )
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("indexer", "server")}


def modules() -> list[Path]:
    return sorted(p for package in ("indexer", "server") for p in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_towards_the_source_files(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if name in ("indexer", "server"):
        return
    wrong = {other for other in imported(path) if layer(other) > layer(name)}
    assert not wrong


def test_only_vector_index_imports_faiss() -> None:
    users = {p.parent.name for p in modules() if "import faiss" in p.read_text(encoding="utf-8")}
    assert users == {"vector_index"}


def test_one_module_reads_the_environment() -> None:
    users = [p.name for p in modules() if "os.environ" in p.read_text(encoding="utf-8")]
    assert users == ["environment.py"]


def test_importing_the_server_loads_no_heavy_library() -> None:
    code = "import sys, json, server.app, server.search; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(printed.stdout)}
    heavy = {
        "torch",
        "tensorflow",
        "sentence_transformers",
        "transformers",
        "pandas",
        "textblob",
        "nltk",
        "onnx",
        "sklearn",
        "scipy",
        "implicit",
        "vaderSentiment",
    }
    assert loaded & heavy == set()
