"""What a row of faults found: one line, counts, and every case that did not hold."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SHOWN_FAILURES = 10


@dataclass
class Verdict:
    """The outcome of one row; it holds while nothing was noted against it."""

    row: str
    claim: str
    counts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    started_s: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    @property
    def held(self) -> bool:
        """Whether nothing was noted against the row."""
        return not self.failures

    def count(self, what: str, number: int = 1) -> None:
        """Add to a count."""
        self.counts[what] = self.counts.get(what, 0) + number

    def fail(self, what: str) -> None:
        """Note a case that did not hold."""
        self.failures.append(what)

    def expect(self, condition: bool, what: str) -> bool:
        """Note ``what`` unless the condition is true; returns the condition."""
        if not condition:
            self.fail(what)
        return condition

    def finish(self) -> Verdict:
        """Stop the clock."""
        self.seconds = round(time.monotonic() - self.started_s, 1)
        return self

    def line(self) -> str:
        """One line for people."""
        facts = [f"{number:,} {what}" for what, number in self.counts.items()]
        facts += [f"{name} {_spell(value)}" for name, value in self.figures.items() if not _is_table(value)]
        state = "holds" if self.held else f"DOES NOT HOLD ({len(self.failures)} against it)"
        return f"{self.row}: {state}: {'; '.join(facts)} ({self.seconds:.0f} s)"

    def details(self) -> str:
        """The first cases that did not hold, a line each."""
        shown = [f"  - {failure}" for failure in self.failures[:_SHOWN_FAILURES]]
        if len(self.failures) > _SHOWN_FAILURES:
            shown.append(f"  … and {len(self.failures) - _SHOWN_FAILURES} more")
        return "\n".join(shown)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "row": self.row,
            "claim": self.claim,
            "held": self.held,
            "counts": self.counts,
            "figures": self.figures,
            "failures": self.failures,
            "seconds": self.seconds,
        }


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping | list)


def _spell(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
