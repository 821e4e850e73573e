"""Figures as SVG files that follow a page's light or dark scheme; the same facts give the same bytes.

Needs matplotlib, so it is imported only to draw. Nothing here counts: figures show facts that are written out too.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from indexer.explore.statistics import Floats, Plain

# Carries no types; asked for at once, so that its absence is said before minutes of counting.
_WORDCLOUD: Any = import_module("wordcloud")

INK, GRID = "#1f2430", "#dcdad3"
#: Read well on white and on near black.
BLUE, ORANGE, GREEN, ROSE = "#3d86ad", "#cc7a3d", "#7a9c52", "#b0699f"
#: What stands for ink and grid lines where the reader's scheme is dark.
_DARK = {INK: "#e6e4de", GRID: "#363a43"}
# Of type Any: matplotlib lists each name of a setting as a type of its own.
_LOOK: Any = {
    # Text stays text, so that it can be read out, searched and recoloured.
    "svg.fonttype": "none",
    "svg.hashsalt": "segue",
    "font.family": "sans-serif",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    "grid.color": GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def _save(figure: Figure, folder: Path, name: str) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, dpi=120)
    rules = "".join(
        f'[style*="{part}: {light}"] {{ {part}: {dark} !important }} '
        for light, dark in _DARK.items()
        for part in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark) {{ {rules}}}</style>"
    head, mark, rest = text.getvalue().partition("<defs>")
    (folder / f"{name}.svg").write_text(f"{head}{style}{mark}{rest}", encoding="utf-8")
    return f"{name}.svg"


def _start(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def draw_histogram(facts: Plain, label: str, folder: Path, name: str, colour: str = BLUE) -> str:
    """Counts as bars and the density, scaled to counts, as a curve."""
    with matplotlib.rc_context(_LOOK):
        figure, axes = _start(6.4, 3.6)
        edges, counts = np.array(facts["edges"]), np.array(facts["counts"])
        width = edges[1] - edges[0]
        axes.bar(edges[:-1], counts, width, align="edge", color=colour, alpha=0.55, linewidth=0)
        if facts["curve"]:
            scaled = np.array(facts["curve"]["density"]) * facts["values"] * width
            axes.plot(facts["curve"]["x"], scaled, color=colour, linewidth=1.8)
        axes.set(xlabel=label, ylabel="count")
        return _save(figure, folder, name)


def draw_boxes(boxes: dict[str, Plain], label: str, folder: Path, name: str) -> str:
    """Tukey boxes from their figures; values beyond the whiskers are not drawn."""
    with matplotlib.rc_context(_LOOK):
        shown = {key: box for key, box in boxes.items() if "missing" not in box}
        figure, axes = _start(6.4, 0.9 + 0.75 * max(len(shown), 1))
        axes.bxp(
            [
                {
                    "label": f"{key} ({box['known']:,})",
                    "med": box["median"],
                    "mean": box["mean"],
                    "q1": box["quartile_1"],
                    "q3": box["quartile_3"],
                    "whislo": box["whisker_low"],
                    "whishi": box["whisker_high"],
                    "fliers": [],
                }
                for key, box in shown.items()
            ],
            orientation="horizontal",
            showmeans=True,
            patch_artist=True,
            boxprops={"facecolor": BLUE, "alpha": 0.6, "edgecolor": INK},
            medianprops={"color": INK, "linewidth": 2},
            meanprops={"marker": "D", "markerfacecolor": ORANGE, "markeredgecolor": INK, "markersize": 6},
            whiskerprops={"color": INK},
            capprops={"color": INK},
        )
        axes.invert_yaxis()
        axes.set(xlabel=label)
        return _save(figure, folder, name)


def draw_ranges(rows: Sequence[Plain], label: str, folder: Path, name: str) -> str:
    """Medians as dots on lines from the lower to the upper quartile, first row on top."""
    with matplotlib.rc_context(_LOOK):
        figure, axes = _start(6.4, 1.0 + 0.24 * len(rows))
        places = np.arange(len(rows))
        lows, highs = ([row[key] for row in rows] for key in ("quartile_1", "quartile_3"))
        axes.hlines(places, lows, highs, color=BLUE, alpha=0.5, linewidth=5)
        axes.plot([row["median"] for row in rows], places, "o", color=ORANGE)
        axes.set_yticks(places, [f"{row['genre']} ({row['items']:,})" for row in rows])
        axes.invert_yaxis()
        axes.set(xlabel=label)
        return _save(figure, folder, name)


def draw_scatter(
    x: Floats, y: Floats, colour: Floats | None, labels: tuple[str, str, str], folder: Path
) -> str:
    """Every song as a dot; those of unknown colour value grey and below the others, which go from low to high."""
    with matplotlib.rc_context(_LOOK):
        figure, axes = _start(6.4, 5.2)
        look: dict[str, Any] = {"s": 5, "linewidths": 0, "rasterized": True}
        known = np.zeros(len(x), dtype=bool) if colour is None else ~np.isnan(colour)
        axes.scatter(x[~known], y[~known], color="#9a9a9a", alpha=0.15, **look)
        if colour is not None and known.any():
            order = np.flatnonzero(known)[np.argsort(colour[known], kind="stable")]
            dots = axes.scatter(
                x[order], y[order], c=colour[order], cmap="viridis", alpha=0.6, vmin=0, vmax=100, **look
            )
            bar = figure.colorbar(dots, ax=axes, label=labels[2])
            if bar.solids is not None:
                bar.solids.set(alpha=1)
        axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(0, 1), ylim=(0, 1))
        return _save(figure, folder, "songs-valence-danceability")


def draw_heat_map(
    cells: Sequence[Sequence[float | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    span: tuple[float, float],
    folder: Path,
    name: str,
    marks: Sequence[Sequence[str]] | None = None,
) -> str:
    """Figures on colours, from ``span``'s first to its second; "–" where there is none; ``marks`` follow figures."""
    with matplotlib.rc_context(_LOOK | {"axes.grid": False}):
        figure, axes = _start(1.9 + 0.62 * len(columns), 1.3 + 0.42 * len(rows))
        table = np.array([[np.nan if v is None else v for v in line] for line in cells], dtype=np.float64)
        scheme = "RdBu_r" if span[0] < 0 else "Blues"
        axes.imshow(table, cmap=scheme, vmin=span[0], vmax=span[1], aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            strong = (abs(value) if span[0] < 0 else value) > 0.62 * span[1]
            said = (
                "–"
                if np.isnan(value)
                else f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−")
                + (marks[i][j] if marks else "")
            )
            shade = INK if np.isnan(value) else ("#ffffff" if strong else "#111111")
            axes.text(j, i, said, ha="center", va="center", fontsize=9, color=shade)
        axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        return _save(figure, folder, name)


def draw_intervals(
    panels: dict[str, list[tuple[str, Plain, bool]]], label: str, folder: Path, name: str, zero: bool = True
) -> str:
    """Panels side by side of (row, interval, stands out): dots with their 95 % intervals on shared rows."""
    with matplotlib.rc_context(_LOOK):
        most = max(len(rows) for rows in panels.values())
        figure = Figure(figsize=(1.6 + 3.6 * len(panels), 1.1 + 0.27 * most), layout="constrained")
        for number, (title, rows) in enumerate(panels.items()):
            axes = figure.add_subplot(1, len(panels), number + 1)
            for place, (_, figure_of, out) in enumerate(rows):
                colour = ORANGE if out else BLUE
                axes.hlines(place, figure_of["low"], figure_of["high"], color=colour, linewidth=2.5)
                axes.plot(figure_of["value"], place, "o", color=colour)
            if zero:
                axes.axvline(0.0, color=INK, linewidth=1)
            axes.set_yticks(range(len(rows)), [row[0] for row in rows])
            axes.invert_yaxis()
            axes.set_title(title, fontsize=11)
            axes.set_xlabel(label)
        return _save(figure, folder, name)


def draw_shares(groups: dict[str, dict[str, Plain]], label: str, folder: Path, name: str) -> str:
    """For each row (block), one bar a group with the interval of its value."""
    with matplotlib.rc_context(_LOOK):
        rows = list(next(iter(groups.values())))
        figure, axes = _start(6.4, 1.2 + 0.36 * len(rows) * max(len(groups), 2) / 2)
        height = 0.8 / len(groups)
        for number, ((title, shares), colour) in enumerate(
            zip(groups.items(), (BLUE, ORANGE, GREEN, ROSE), strict=False)
        ):
            places = np.arange(len(rows)) - 0.4 + height * (number + 0.5)
            values = np.array([shares[row]["value"] for row in rows])
            axes.barh(places, values, height * 0.92, color=colour, label=title)
            lows, highs = (np.array([shares[row][key] for row in rows]) for key in ("low", "high"))
            axes.hlines(places, lows, highs, color=INK, linewidth=1.2)
        axes.axvline(0.0, color=INK, linewidth=1)
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set(xlabel=label)
        axes.legend(loc="best")
        return _save(figure, folder, name)


def draw_cloud(words: Sequence[Plain], folder: Path, name: str, seed: int) -> str:
    """The commonest words, sized by how many items have them, as a PNG on nothing."""
    cloud = _WORDCLOUD.WordCloud(
        width=1400,
        height=640,
        mode="RGBA",
        background_color=None,
        random_state=seed,
        prefer_horizontal=1.0,
        relative_scaling=0.6,
        color_func=lambda *_, random_state, **__: random_state.choice((BLUE, ORANGE, GREEN, ROSE)),
    )
    cloud.generate_from_frequencies({entry["word"]: float(entry["items"]) for entry in words})
    cloud.to_image().save(folder / f"{name}.png")
    return f"{name}.png"
