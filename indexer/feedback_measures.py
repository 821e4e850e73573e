"""What feedback amounts to: precision of judged hits by method and version, and the tally of blind votes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from indexer.feedback import Judgement

#: Depths at which precision is reported.
DEPTHS: Final = (1, 5, 10)
_Z: Final = 1.959963984540054  # 95 % of a normal distribution lie within


def wilson(wins: float, trials: float) -> tuple[float, float] | None:
    """The 95 % score interval of a share (Wilson 1927); None without trials, which may be a fraction."""
    if trials <= 0:
        return None
    share, square = wins / trials, _Z * _Z
    middle = share + square / (2 * trials)
    spread = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def clustered(ups: Sequence[int], totals: Sequence[int]) -> tuple[float, float] | None:
    """The 95 % interval of Σ ups / Σ totals where verdicts on one query hang together; one entry a query.

    Wilson's interval over the effective number of verdicts: p(1 − p) by the variance of the ratio between queries
    (Korn and Graubard 1998), never more than were given; one less than that where verdicts are independent. Where
    nothing varies between queries, each of them counts as one verdict.
    """
    number, total = len(totals), sum(totals)
    if not total:
        return None
    share = sum(ups) / total
    variance = 0.0
    if number > 1:
        squares = sum((up - share * of) ** 2 for up, of in zip(ups, totals, strict=True))
        variance = number / (number - 1) * squares / (total * total)
    effective = min(float(total), share * (1 - share) / variance) if variance > 0 else float(number)
    return wilson(share * effective, effective)


@dataclass(frozen=True, slots=True)
class Precision:
    """Share of "it fits" among the verdicts on hits within rank ``k``; ``interval`` is its 95 % interval.

    ``judged``: the share of the ``k`` places of the queries' lists that anyone judged. ``share`` None without verdicts.
    """

    k: int
    verdicts: int
    queries: int
    share: float | None
    interval: tuple[float, float] | None
    judged: float


@dataclass(frozen=True, slots=True)
class MethodPrecision:
    """The precision of one method in one version, of films or songs found."""

    index_version: str
    method: str
    target: str
    at: tuple[Precision, ...]


@dataclass(frozen=True, slots=True)
class VoteTally:
    """How Segue did in blind votes against one method; ``share`` of the decided ones, None without any."""

    against: str
    wins: int
    losses: int
    ties: int
    share: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class FeedbackReport:
    """All figures of a heap of judgements; ``votes`` are by version."""

    verdicts: int
    precision: tuple[MethodPrecision, ...]
    votes: tuple[tuple[str, VoteTally], ...]

    def to_dict(self) -> dict[str, Any]:
        """Spell out the figures for JSON."""
        return {
            "verdicts": self.verdicts,
            "precision": [asdict(one) for one in self.precision],
            "votes": [{"index_version": version, **asdict(tally)} for version, tally in self.votes],
        }

    def to_text(self) -> str:
        """Write the figures as tables for people."""
        lines = [f"verdicts on hits: {self.verdicts:,}"]
        for one in self.precision:
            lines.append(f"\n{one.method} in {one.index_version}, {one.target} found")
            for at in one.at:
                said = f"{_show(at.share, at.interval):<22}" if at.verdicts else f"{'no verdicts':<22}"
                lines.append(
                    f"  precision at {at.k:<3} {said} {at.verdicts:,} verdicts, {at.queries:,} queries, "
                    f"{100 * at.judged:.0f} % of the places judged"
                )
        lines.append(f"\nblind votes: {sum(t.wins + t.losses + t.ties for _, t in self.votes):,}")
        for version, tally in self.votes:
            share = _show(tally.share, tally.interval) if tally.share is not None else "no vote was decided"
            lines.append(
                f"  segue against {tally.against} in {version}: {tally.wins:,} better, {tally.losses:,} worse, "
                f"{tally.ties:,} neither; {share}"
            )
        return "\n".join(lines) + "\n"


def tally_votes(counts: Mapping[tuple[str, str], int]) -> list[VoteTally]:
    """Tallies by method, from counts of (method, win, loss or tie)."""
    tallies = []
    for method in sorted({method for method, _ in counts}):
        wins, losses, ties = (counts.get((method, said), 0) for said in ("win", "loss", "tie"))
        decided = wins + losses
        share = wins / decided if decided else None
        tallies.append(VoteTally(method, wins, losses, ties, share, wilson(wins, decided)))
    return tallies


def measure(judgements: Iterable[Judgement]) -> FeedbackReport:
    """Work out all figures.

    Verdicts on one query (the same question, whoever asked it) hang together, which the intervals allow for. A hit
    that nobody judged counts neither way.
    """
    lists: dict[tuple[str, str, str], list[Judgement]] = defaultdict(list)
    votes: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    verdicts = 0
    for one in judgements:
        if one.kind == "verdict":
            verdicts += 1
            lists[one.index_version, one.method, one.target].append(one)
        else:
            votes[one.index_version][one.method, one.said] += 1
    precision = tuple(
        MethodPrecision(*key, tuple(_precision_at(lists[key], k) for k in DEPTHS)) for key in sorted(lists)
    )
    tallies = tuple((version, tally) for version in sorted(votes) for tally in tally_votes(votes[version]))
    return FeedbackReport(verdicts, precision, tallies)


def _precision_at(verdicts: Sequence[Judgement], k: int) -> Precision:
    ups: dict[str, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    places: set[tuple[str, int]] = set()
    for one in verdicts:
        if one.rank <= k:
            ups[one.query] += one.said == "up"
            totals[one.query] += 1
            places.add((one.query, one.rank))
    total = sum(totals.values())
    queries = sorted(totals)
    interval = clustered([ups[query] for query in queries], [totals[query] for query in queries])
    asked = len({one.query for one in verdicts})
    share = sum(ups.values()) / total if total else None
    return Precision(k, total, len(queries), share, interval, len(places) / (k * asked) if asked else 0.0)


def _show(share: float | None, interval: tuple[float, float] | None) -> str:
    if share is None or interval is None:
        return ""
    return f"{100 * share:.1f} % ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})"
