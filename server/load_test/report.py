"""What a run leaves: report.json, a table for people, and the figures in docs/load-test.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from indexer.errors import ConfigError
from server.load_test.limits import Limits, find_broken, find_needless_refusals
from server.load_test.measurements import (
    DURING_SWAP_S,
    Figures,
    Measured,
    Publication,
    Swaps,
    by_scenario,
    count_faults,
    follow_swaps,
    span_s,
    split_by_swaps,
    summarise,
)

#: Between these two lines --write-docs puts its figures.
BEGIN = "<!-- figures of the last run: written by scripts/load_test --write-docs -->"
END = "<!-- end of figures -->"
_PACKAGES = ("locust", "gunicorn", "flask", "faiss-cpu", "numpy", "onnxruntime")
_FAULTS_SHOWN = 50


def make_report(
    rows: Sequence[Measured],
    published: Sequence[Publication],
    failures: Sequence[str],
    limits: Limits,
    asked: Mapping[str, Any],
    served: Mapping[str, Any],
    client_cpu_s: float,
) -> dict[str, Any]:
    """Put everything that report.json holds together.

    ``asked``: the options of the run; ``served``: the version's name and, of a server started here, counts and
    settings; ``client_cpu_s``: processor seconds that making the requests and checking the replies took.
    """
    seconds = span_s(rows)
    figures = summarise(rows, seconds)
    swaps = follow_swaps(rows, published, failures)
    during, steady = split_by_swaps(rows, swaps.published)
    broken = [*find_broken(limits, figures, swaps), *find_needless_refusals(rows, swaps)]
    return {
        "verdict": "broken" if broken else "held",
        "broken": broken,
        "limits": asdict(limits),
        "started_at": datetime.fromtimestamp(rows[0].started_at, UTC).isoformat(timespec="seconds"),
        "seed": asked["seed"],
        "asked": dict(asked),
        "seconds": round(seconds, 3),
        "client_cpu_share": round(client_cpu_s / seconds, 3),
        "all": _show(figures),
        "scenarios": {name: _show(found) for name, found in by_scenario(rows).items()},
        "faults": [
            {"scenario": scenario, "fault": fault, "count": count}
            for scenario, fault, count in count_faults(rows)[:_FAULTS_SHOWN]
        ],
        "swaps": _show_swaps(swaps, during, steady) if published or failures else {"changes": swaps.changes},
        "served": dict(served),
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
    }


def _show(figures: Figures) -> dict[str, Any]:
    shown = {name: round(value, 3) for name, value in asdict(figures).items()}
    return {**shown, "error_share": figures.error_share}


def _show_swaps(swaps: Swaps, during: Sequence[Measured], steady: Sequence[Measured]) -> dict[str, Any]:
    return {
        "published": len(swaps.published),
        "seen": swaps.seen,
        "changes": swaps.changes,
        "failures": list(swaps.failures),
        "events": [asdict(event) for event in swaps.published],
        "p99_ms_during": round(summarise(during, 1.0).p99_ms, 3),
        "p99_ms_otherwise": round(summarise(steady, 1.0).p99_ms, 3),
    }


def describe_machine() -> dict[str, Any]:
    """What the figures depend on: cores, memory, processor, system."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []  # not Linux
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes,
        "cpu": models[0] if models else platform.processor(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_report(report: Mapping[str, Any], path: Path) -> None:
    """Write report.json."""
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def as_table(report: Mapping[str, Any]) -> str:
    """The figures as a Markdown table, a scenario a row."""
    lines = [
        "| scenario | requests | a second | p50 ms | p95 ms | p99 ms | errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in [*report["scenarios"].items(), ("**all**", report["all"])]:
        times = " | ".join(f"{row[key]:.1f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
        lines.append(f"| {name} | {row['requests']:,} | {row['rps']:.1f} | {times} | {row['errors']} |")
    return "\n".join(lines)


def as_text(report: Mapping[str, Any]) -> str:
    """Everything about a run that a reader needs, in Markdown."""
    asked, machine, served = report["asked"], report["machine"], report["served"]
    counts, server = served.get("counts"), served.get("server")
    size = (
        f"{counts['movies']:,} films and {counts['tracks']:,} songs"
        if counts
        else "a catalogue of unknown size"
    )
    if server:
        threads = f"{server['workers']} × {server['threads']} threads"
        place = f"Clients and server ({threads}) shared one machine"
    else:
        place = "The server was a running one; the clients' machine"
    lines = [
        f"{report['started_at'][:10]}: {asked['users']} users over {report['seconds']:.0f} s on {size}, "
        f"seed {report['seed']}. {place}: {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB of memory; Python {report['versions']['python']}, "
        f"locust {report['versions']['locust']}, which kept {report['client_cpu_share']:.0%} of a core busy.",
        "",
        as_table(report),
        "",
    ]
    swaps = report["swaps"]
    if "published" in swaps:
        waits = [e["seen_after_s"] for e in swaps["events"] if e["seen_after_s"] is not None]
        waited = f", the slowest {max(waits):.1f} s and the median {median(waits):.1f} s" if waits else ""
        lines += [
            f"Versions published meanwhile: {swaps['published']}, of which {swaps['seen']} came to answer{waited} "
            f"after their publication. p99 from a publication until its version answered, {DURING_SWAP_S:g} s at "
            f"least, {swaps['p99_ms_during']:.1f} ms, otherwise {swaps['p99_ms_otherwise']:.1f} ms.",
            "",
        ]
    limits = ", ".join(f"{name} {value:g}" for name, value in report["limits"].items())
    lines.append(f"Limits: {limits}. " + ("All held." if not report["broken"] else "Broken:"))
    lines += [f"- {line}" for line in report["broken"]]
    return "\n".join(lines) + "\n"


def write_docs(report: Mapping[str, Any], path: Path) -> None:
    """Put the figures between the two marks in ``path``; raises ``ConfigError`` where they are not there."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ConfigError(f"{path.name} has no place for figures: it needs the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{as_text(report)}\n{END}{after}", encoding="utf-8")
