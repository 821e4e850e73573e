"""What a process has in memory, as Linux counts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """Bytes in memory: ``resident`` counts shared pages whole, ``pss`` each by its users; ``private``: its own."""

    resident: int
    pss: int
    private: int


def read_memory(pid: int) -> Memory:
    """The memory of a running process. OSError where there is none, or it is another user's."""
    return parse_rollup(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))


def parse_rollup(text: str) -> Memory:
    """Read the text of a smaps_rollup file. KeyError where a field is missing."""
    fields: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = 1024 * int(value.split()[0])
    private = fields["Private_Clean"] + fields["Private_Dirty"]
    return Memory(fields["Rss"], fields["Pss"], private)


def read_cpu_s(pid: int) -> float:
    """Seconds of processor time that a running process has used. OSError where there is none."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
