"""An evaluation as plain text: a table for each direction, for the comparisons and for the labels."""

from __future__ import annotations

import math

from indexer.evaluate import CUTS, DIRECTIONS
from indexer.evaluation_results import Direction, Evaluation, Unsupported
from indexer.metrics import Interval

_NAMES: dict[str, str] = {"movies": "film", "tracks": "song"}


def direction_name(source: str, target: str) -> str:
    """ "song → film" and the like."""
    return f"{_NAMES[source]} → {_NAMES[target]}"


def format_table(evaluation: Evaluation) -> str:
    """The whole evaluation as plain text, figures with their intervals and gallery sizes above each table."""
    lines: list[str] = []
    for source, target in DIRECTIONS:
        rows = [d for d in evaluation.directions if (d.source, d.target) == (source, target)]
        name = direction_name(source, target)
        done = [d for d in rows if isinstance(d, Direction)]
        if done:
            lines.append(
                f"{name}: {done[0].gallery:,} {_NAMES[target]}s ranked for {done[0].queries:,} queries, "
                f"{done[0].pairs:,} pairs"
            )
            head = ["method", "R@1 %", "R@10 %", "R@100 %", "MRR", "nDCG@10", "percentile", "among peers"]
            lines += _table(
                head,
                [
                    [
                        d.method,
                        *(_shown(d.recall[str(k)], 100) for k in CUTS),
                        _shown(d.mrr, digits=4),
                        _shown(d.ndcg10, digits=4),
                        _shown(d.median_percentile),
                        _shown(d.median_peer_percentile),
                    ]
                    for d in done
                ],
            )
            first = done[0].lists
            lines += [
                "",
                f"{name}: first {first.length} of {first.gallery:,} {_NAMES[target]}s for {first.lists:,} random "
                f"queries (at random {first.distinct_if_random:.3f} distinct per slot)",
            ]
            head = [
                "method",
                "distinct/slot",
                "by position",
                "largest hub %",
                "Gini",
                "skewness",
                "diversity",
            ]
            lines += _table(
                head,
                [
                    [
                        d.method,
                        _shown(d.lists.distinct_per_slot, digits=3),
                        _shown(d.lists.distinct_by_position, digits=3),
                        _shown(d.lists.largest_hub, 100),
                        _shown(d.lists.gini, digits=3),
                        _shown(d.lists.skewness),
                        _shown(d.lists.diversity, digits=3),
                    ]
                    for d in done
                ],
            )
            for d in done:
                if d.calibration:
                    c = d.calibration
                    lines.append(
                        f"{d.method}: ECE {_shown(c.ece15, digits=3)} in 15 bins, {_shown(c.ece10, digits=3)} in 10, "
                        f"{c.true_pairs:,} true and {c.random_pairs:,} random pairs, {d.gallery:,} {_NAMES[target]}s"
                    )
        lines += [
            f"{name}: {d.method} does not answer: {d.reason}" for d in rows if isinstance(d, Unsupported)
        ]
        lines.append("")
    if evaluation.comparisons:
        lines.append("R@10 of the reference against each method, same pairs, p by Holm over all of these")
        lines += _table(
            ["direction", "gallery", "comparison", "difference %", "ratio", "p", "p (Holm)"],
            [
                [
                    direction_name(c.source, c.target),
                    f"{c.gallery:,}",
                    f"{c.reference} / {c.method}",
                    _shown(c.difference, 100),
                    _shown(c.ratio),
                    f"{c.p:.4f}",
                    f"{c.p_holm:.4f}",
                ]
                for c in evaluation.comparisons
            ],
        )
        lines.append("")
    if evaluation.labels:
        lines.append("Against people's labels")
        lines += _table(
            ["task", "method", "measure", "figure", "gallery", "queries", "examples"],
            [
                [e.task, e.method, e.measure, _shown(e.figure, digits=3)]
                + [f"{n:,}" for n in (e.gallery, e.queries, e.examples)]
                for e in evaluation.labels
            ],
        )
    return "\n".join(lines).rstrip() + "\n"


def _shown(figure: Interval | None, factor: float = 1.0, digits: int = 2) -> str:
    if figure is None:
        return "–"
    value, low, high = (
        "∞" if math.isinf(x) else f"{factor * x:.{digits}f}" for x in (figure.value, figure.low, figure.high)
    )
    return f"{value} [{low}, {high}]"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [head, ["-" * width for width in widths], *rows]
    ]
