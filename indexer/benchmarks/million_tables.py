"""The tables of ``scripts/bench million``: stages, indexes by kind, and what a server answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from indexer.benchmarks.filter_cases import SHARES
from indexer.benchmarks.findings import Table
from indexer.benchmarks.workload import DEPTH

Stages = Mapping[str, Mapping[str, Any]]


def make_tables(stages: Stages) -> list[Table]:
    """All tables that the stages have figures for."""
    tables = [_stage_table(stages)]
    searched = {name.removeprefix("search "): found for name, found in stages.items() if "searches" in found}
    if searched:
        tables.append(_index_table(stages, searched))
    for name, found in stages.items():
        if "scenarios" in found:
            tables += [_serving_table(name, found), _memory_table(name, found)]
    return tables


def show_mib(size_bytes: float) -> str:
    """Bytes as MiB."""
    return f"{size_bytes / 2**20:,.0f}"


def _stage_table(stages: Stages) -> Table:
    rows = []
    for name, found in stages.items():
        if "failed" in found:
            rows.append([name, f"failed: {found['failed']}", "", ""])
            continue
        parts = ", ".join(f"{part} {seconds:,.1f}" for part, seconds in found["seconds"].items())
        if found.get("server_bytes"):
            parts += f" (Milvus' own processes: {show_mib(found['server_bytes'])} MiB)"
        size = show_mib(found["size_bytes"]) if "size_bytes" in found else ""
        rows.append([name, parts, show_mib(found["peak_bytes"]), size])
    return Table(
        "Stages, each in a process of its own", ["stage", "seconds", "peak, MiB", "files, MiB"], rows
    )


def _index_table(stages: Stages, searched: Stages) -> Table:
    columns = list(searched)
    built = {name: stages.get(f"index {name}", {}) for name in columns}

    def line(title: str, show: Any) -> list[str]:
        return [title, *(show(built[name], searched[name]) for name in columns)]

    rows = [
        line("rows", lambda _, s: f"{s['rows']:,}"),
        line("kind", lambda b, _: str(b.get("kind", ""))),
        line("settings", lambda b, _: _show_settings(b.get("settings", {}))),
        line("build, s", lambda b, _: f"{b['build_s']:.0f}" if "build_s" in b else ""),
        line("files, MiB", lambda b, _: show_mib(sum(b["files"].values())) if "files" in b else ""),
        line("resident after 500 searches, MiB", lambda _, s: _show(s, "searched_bytes", show_mib)),
        line("resident bytes a vector", lambda _, s: _show(s, "bytes_a_vector", "{:,.0f}".format)),
    ]
    for share in SHARES:
        name = "unfiltered" if share == 1 else f"{100 * share:g} % pass"
        rows.append(
            line(
                f"{name}: p50 / p99 ms · recall@{DEPTH}",
                lambda _, s, key=str(share): (
                    f"{s['searches'][key]['p50_ms']:.2f} / {s['searches'][key]['p99_ms']:.2f}"
                    f" · {s['searches'][key][f'recall_{DEPTH}']:.3f}"
                ),
            )
        )
    return Table("Vector indexes, searched on one thread", ["", *columns], rows)


def _show(found: Mapping[str, Any], name: str, show: Callable[[float], str]) -> str:
    """A figure as text, empty where it was not measured."""
    return show(found[name]) if name in found else ""


def _show_settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if name != "seed")


def _serving_table(name: str, served: Mapping[str, Any]) -> Table:
    rows = [
        [
            row["scenario"],
            f"{row['in_process']['p50_ms']:.2f} / {row['in_process']['p99_ms']:.2f}",
            f"{row['http']['p50_ms']:.2f} / {row['http']['p99_ms']:.2f}",
            str(row["errors"]),
        ]
        for row in served["scenarios"]
    ]
    heads = ["every request another", "in process, p50 / p99 ms", "by HTTP, p50 / p99 ms", "errors"]
    return Table(f"{name.capitalize()}: answers, one client", heads, rows)


def _memory_table(name: str, served: Mapping[str, Any]) -> Table:
    rows = [
        [part, *(show_mib(found[key]) for key in ("pss", "private", "resident"))]
        for part, found in served["memory"].items()
    ]
    return Table(f"{name.capitalize()}: memory, MiB", ["", "PSS", "private", "resident"], rows)
