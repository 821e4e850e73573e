"""What a measurement was taken on and with: the machine, the libraries, the date."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_MEMORY_INFO = Path("/proc/meminfo")
_RESIDENT = Path("/proc/self/statm")
_STATUS = Path("/proc/self/status")


def describe(seed: int, libraries: Iterable[str]) -> dict[str, str]:
    """Facts in the order to print them: date (UTC), processor, cores, memory, system, seed, library versions."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _read_field(_CPU_INFO, "model name") or platform.processor() or "unknown",
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "seed": str(seed),
    }
    return facts | {name: installed(name) for name in libraries}


def installed(distribution: str) -> str:
    """The version of a distribution as pip knows it, or "not installed"."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def resident_bytes() -> int:
    """Bytes of this process that are in memory now, mapped files included. OSError without /proc."""
    return int(_RESIDENT.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most bytes of this process that were in memory at once since it began. OSError without /proc.

    Unlike ``ru_maxrss``, this does not begin with what the process that started this one had.
    """
    kilobytes = _read_field(_STATUS, "VmHWM").removesuffix(" kB")
    if not kilobytes:
        raise OSError(f"{_STATUS} does not tell this process's peak")
    return int(kilobytes) * 1024


def _memory() -> str:
    kilobytes = _read_field(_MEMORY_INFO, "MemTotal").removesuffix(" kB")
    return f"{int(kilobytes) / 2**20:.1f} GiB" if kilobytes else "unknown"


def _read_field(path: Path, name: str) -> str:
    if not path.is_file():
        return ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
