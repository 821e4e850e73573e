"""The evaluation as one HTML page that needs nothing else: no script, no font, no image from elsewhere.

Reads the dictionary of ``Evaluation.to_dict()``; plots are inline SVG drawn here. Everything that comes from the
dictionary is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

Plain = Mapping[str, Any]

_NAMES = {"movies": "film", "tracks": "song"}
_NONE = "not published"

#: System, method here ("" for one that is not built), what was published, a remark. Nothing stands here that was
#: not published or measured.
_PUBLISHED: tuple[tuple[str, str, str, str], ...] = (
    ("CrossTune", "crosstune", _NONE, ""),
    (
        "Music2Movie (Cross-Media Recommendation)",
        "music2movie",
        "no ranking accuracy published; shows the top 5 with a score from 0 to 1",
        "One film stood in 47 % of its answers when it was measured.",
    ),
    (
        "Music2Movie, features aligned by meaning",
        "music2movie-aligned",
        _NONE,
        "Not a published system: it shows what the order of the features did.",
    ),
    ("Spotiflix, sentiment", "spotiflix-sentiment", _NONE, ""),
    (
        "Spotiflix, clusters",
        "spotiflix-clusters",
        "silhouette 0.13 (songs) and 0.30 (soundtracks); cluster classifier accuracy 82 %",
        "The accuracy is that of finding a song's own cluster again, not of finding a film.",
    ),
    (
        "Spotiflix, mel-spectrogram model",
        "",
        "error 0.339",
        "Worse than always answering 0.5, so it cannot be right as a sign of learning. With features in 0 to 1 the "
        "mean absolute error of a constant 0.5 is at most 0.5, and 0.25 where they are spread evenly; its mean squared "
        "error is never above 0.25.",
    ),
    ("Lyrics and cover", "", _NONE, ""),
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --soft: #5d6675; --paper: #fbfaf7; --card: #ffffff;
  --line: #dcdad3; --c0: #2f6f8f; --c1: #b4642d; --c2: #5d7f3a; --c3: #8a4f7d; --c4: #8c7a2b; --c5: #4d5ba6;
  --c6: #a33b48; --c7: #3a8577; --c8: #6b6b6b; --c9: #c2568c; --c10: #6e4a2f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4de; --soft: #a3a9b4; --paper: #16181d; --card: #1e2128;
  --line: #363a43; --c0: #6fb4d6; --c1: #e29a66; --c2: #9cc272; --c3: #cf93c2; --c4: #d3bf63; --c5: #95a3ee;
  --c6: #ec8490; --c7: #76c9b9; --c8: #adadad; --c9: #f09cc3; --c10: #c39d7d; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .4rem; } h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; } p { max-width: 46rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: .7rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .6rem .8rem; color: var(--soft); }
th, td { padding: .42rem .8rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
td.n { white-space: nowrap; } td small { color: var(--soft); display: block; } thead th { font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
figure { margin: 0; padding: .8rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
figcaption { font-size: .88rem; color: var(--soft); } svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); } svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--soft); } svg .ink { stroke: var(--ink); stroke-width: 1.5; }
"""


def write_html(evaluation: Plain, path: Path) -> None:
    """Write the page for ``Evaluation.to_dict()`` (or the same read from JSON) to ``path``, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(page(evaluation), encoding="utf-8")
    part.replace(path)


def page(evaluation: Plain) -> str:
    """The HTML text of the report."""
    settings, pairs = evaluation["settings"], evaluation["pairs"]
    galleries = " and ".join(
        f"{count:,} {_NAMES.get(medium, escape(medium))}s"
        for medium, count in evaluation["galleries"].items()
    )
    colours = _colours([entry["method"] for entry in evaluation["directions"]])
    parts = [
        "<h1>Evaluation</h1>",
        f"<p>Known soundtrack pairs: {pairs['pairs']:,}, of {pairs['movies']:,} films and {pairs['tracks']:,} songs. "
        f"Every item of the other medium is ranked: {galleries}. Below each figure stands its 95 % interval: for "
        f"accuracy from {settings['draws']:,} draws of whole films, for variety by a jackknife over the lists. "
        f"Seed {settings['seed']}.</p>",
        _counts(pairs),
    ]
    for source, target in (("tracks", "movies"), ("movies", "tracks")):
        entries = [e for e in evaluation["directions"] if (e["source"], e["target"]) == (source, target)]
        if entries:
            parts.append(_direction(entries, colours))
    parts += [_comparisons(evaluation["comparisons"]), _labels(evaluation["labels"])]
    parts.append(_published(evaluation["directions"], evaluation["facts"]))
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Segue: evaluation</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


# --- sections ------------------------------------------------------------------------------------------------


def _counts(pairs: Plain) -> str:
    said = {
        "lines": "Lines in the pairs file",
        "unmatched_lines": "lines left out because an id is not in the galleries",
        "unmatched_movie_ids": "film ids not found",
        "unmatched_track_ids": "song ids not found",
        "repeated_lines": "lines that repeat a pair",
        "trained_movie_pairs": "pairs left out because the version was trained on the film",
        "trained_artist_pairs": "pairs left out because the version was trained on an artist",
    }
    told = [f"{text}: {pairs[key]:,}" for key, text in said.items() if key in pairs]
    return f'<p class="soft">{"; ".join(told)}.</p>' if told else ""


def _direction(entries: Sequence[Plain], colours: Mapping[str, str]) -> str:
    source, target, gallery = entries[0]["source"], entries[0]["target"], entries[0]["gallery"]
    name, size = f"{_NAMES[source]} → {_NAMES[target]}", f"{gallery:,} {_NAMES[target]}s"
    done = [e for e in entries if e["supported"]]
    parts = [f"<h2>{name}: {size}</h2>"]
    if done:
        first, lists = done[0], done[0]["lists"]
        parts.append(
            _table(
                f"Ranks of the known {_NAMES[target]} among {size}; {first['queries']:,} queries, "
                f"{first['pairs']:,} pairs. Percentiles: 0 is first, 50 is chance.",
                [
                    "Method",
                    "R@1 %",
                    "R@10 %",
                    "R@100 %",
                    "MRR",
                    "nDCG@10",
                    "Median percentile",
                    "… among peers",
                ],
                [
                    [
                        escape(e["method"]),
                        *(_figure(e["recall"][k], 100, 2) for k in ("1", "10", "100")),
                        _figure(e["mrr"], 1, 4),
                        _figure(e["ndcg10"], 1, 4),
                        _figure(e["median_percentile"], 1, 1),
                        _figure(e["median_peer_percentile"], 1, 1),
                    ]
                    for e in done
                ],
            )
        )
        parts.append(
            _table(
                f"First {lists['length']} of {size} for {lists['lists']:,} random queries. Lists drawn at random "
                f"would hold {lists['distinct_if_random']:.3f} different items per slot.",
                [
                    "Method",
                    "Distinct per slot",
                    "… by position",
                    "Largest hub %",
                    "Gini",
                    "Skewness",
                    "Diversity",
                ],
                [
                    [
                        escape(e["method"]),
                        _figure(e["lists"]["distinct_per_slot"], 1, 3),
                        _figure(e["lists"]["distinct_by_position"], 1, 3),
                        _figure(e["lists"]["largest_hub"], 100, 2),
                        _figure(e["lists"]["gini"], 1, 3),
                        _figure(e["lists"]["skewness"], 1, 2),
                        _figure(e["lists"]["diversity"], 1, 3),
                    ]
                    for e in done
                ],
            )
        )
        recalls = [(e["method"], e["recall"]["10"]) for e in done]
        hubs = [(e["method"], e["lists"]["largest_hub"]) for e in done]
        plots = [
            _plot(f"R@10, %, {name}, {size}", _bars(recalls, colours)),
            _plot(f"Largest hub, % of lists, {name}, {size}", _bars(hubs, colours)),
            _plot(f"Recall at 1, 10 and 100, %, {name}, {size}", _recall_curve(done, colours)),
            _plot(
                f"Share of lists that hold each of the commonest items, %, most common first, {size}",
                _hub_curve(done, colours),
            ),
        ]
        for e in done:
            c = e["calibration"]
            if c:
                text = (
                    f"{escape(e['method'])}: match score against what is so, {c['true_pairs']:,} true and "
                    f"{c['random_pairs']:,} random pairs at equal priors, {size}. "
                    f"ECE {_inline(c['ece15'])} in 15 bins, {_inline(c['ece10'])} in 10."
                )
                plots.append(_plot(text, _reliability(c["curve"])))
        parts.append(f'<div class="plots">{"".join(plots)}</div>')
    parts += [
        f"<p>{escape(e['method'])} does not answer {name}: {escape(e['reason'])}</p>"
        for e in entries
        if not e["supported"]
    ]
    return "\n".join(parts)


def _comparisons(comparisons: Sequence[Plain]) -> str:
    if not comparisons:
        return ""
    rows = [
        [
            f"{_NAMES[c['source']]} → {_NAMES[c['target']]}",
            f"{c['gallery']:,}",
            f"{escape(c['reference'])} to {escape(c['method'])}",
            _figure(c["difference"], 100, 2),
            _figure(c["ratio"], 1, 2),
            f"{c['p']:.4f}",
            f"{c['p_holm']:.4f}",
        ]
        for c in comparisons
    ]
    head = [
        "Direction",
        "Gallery",
        "Compared",
        "Difference in R@10, points",
        "Ratio of R@10",
        "p",
        "p by Holm",
    ]
    caption = (
        "The same pairs for both; films' signs are flipped as a whole; Holm's correction over all rows. "
        "∞: the other method found nothing."
    )
    return "<h2>Tests</h2>" + _table(caption, head, rows)


def _labels(labels: Sequence[Plain]) -> str:
    if not labels:
        return ""
    rows = [
        [
            escape(e["task"]),
            escape(e["method"]),
            escape(e["measure"]),
            _figure(e["figure"], 1, 3),
            f"{e['gallery']:,}",
            f"{e['queries']:,}",
            f"{e['examples']:,}",
        ]
        for e in labels
    ]
    head = ["Task", "Method", "Measure", "Figure", "Gallery", "Queries", "Examples"]
    return "<h2>Against people's labels</h2>" + _table("", head, rows)


def _fact(value: Any) -> str:
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))


def _published(directions: Sequence[Plain], facts: Mapping[str, Plain]) -> str:
    def ours(method: str, source: str) -> str:
        for e in directions:
            if (e["method"], e["source"]) == (method, source):
                if not e["supported"]:
                    return "does not answer"
                return (
                    f"R@10 {_inline(e['recall']['10'], 100, 2)} %, largest hub "
                    f"{_inline(e['lists']['largest_hub'], 100, 1)} % of lists "
                    f"<small>{e['gallery']:,} {_NAMES[e['target']]}s</small>"
                )
        return "not run"

    rows = [
        [
            escape(who),
            escape(method) or "not built",
            escape(figure),
            ours(method, "tracks"),
            ours(method, "movies"),
            "".join(
                f"<div>{escape(str(key))}: {_fact(each)}</div>" for key, each in facts.get(method, {}).items()
            )
            or "–",
            escape(remark),
        ]
        for who, method, figure, remark in _PUBLISHED
    ]
    head = [
        "System",
        "Method here",
        "Published",
        "Ours, song → film",
        "Ours, film → song",
        "Our fit",
        "Remark",
    ]
    return "<h2>Published figures beside ours</h2>" + _table("", head, rows, numbers=False)


# --- tables and plots ----------------------------------------------------------------------------------------


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> str:
    """A table of cells that are HTML already."""
    kind = ' class="n"' if numbers else ""
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td{kind}>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{told}<thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _number(value: float | None, factor: float, digits: int) -> str:
    return "∞" if value is None else f"{factor * value:.{digits}f}"


def _figure(figure: Plain | None, factor: float, digits: int) -> str:
    if figure is None:
        return "–"
    value, low, high = (_number(figure[key], factor, digits) for key in ("value", "low", "high"))
    return f"{value}<small>{low} to {high}</small>"


def _inline(figure: Plain, factor: float = 1, digits: int = 3) -> str:
    value, low, high = (_number(figure[key], factor, digits) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _colours(methods: Sequence[str]) -> dict[str, str]:
    return {name: f"var(--c{i % 11})" for i, name in enumerate(dict.fromkeys(methods))}


def _plot(caption: str, svg: str) -> str:
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def _svg(height: float, content: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 480 {height:.0f}" role="img" aria-label="{escape(label)}">{"".join(content)}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _bars(figures: Sequence[tuple[str, Plain]], colours: Mapping[str, str]) -> str:
    """One bar a method, in per cent, with its interval."""
    top = max([100 * figure["high"] for _, figure in figures] + [0.01])
    content = []
    for i, (name, figure) in enumerate(figures):
        y = 8 + 26 * i
        value, low, high = (250 * 100 * max(figure[key], 0) / top for key in ("value", "low", "high"))
        content += [
            _text(142, y + 13, name if len(name) <= 22 else f"{name[:21]}…", "end"),
            f'<rect x="150" y="{y}" width="{value:.1f}" height="18" rx="2" fill="{colours[name]}">'
            f"<title>{escape(name)}: {100 * figure['value']:.2f} %</title></rect>",
            _line(150 + low, y + 9, 150 + high, y + 9, "ink"),
            _text(158 + high, y + 13, f"{100 * figure['value']:.2f}"),
        ]
    height = 16 + 26 * len(figures)
    return _svg(height, [_line(150, 4, 150, height - 4, "axis"), *content], "bars with intervals")


def _curves(
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    ticks: Sequence[tuple[float, str]],
    top: float,
    colours: Mapping[str, str],
) -> str:
    """Lines over x in 0…1 and y in 0…``top``, with a legend below."""
    content = []
    for step in range(5):
        y = 200 - 180 * step / 4
        content += [_line(48, y, 468, y, "grid"), _text(42, y + 4, f"{top * step / 4:.3g}", "end")]
    content += [_text(48 + 420 * x, 218, name, "middle") for x, name in ticks]
    for i, (name, points) in enumerate(lines):
        path = " ".join(f"{48 + 420 * x:.1f},{200 - 180 * max(y, 0) / top:.1f}" for x, y in points)
        content.append(
            f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2">'
            f"<title>{escape(name)}</title></polyline>"
        )
        x, y = 48 + 215 * (i % 2), 240 + 18 * (i // 2)
        content += [
            f'<rect x="{x}" y="{y - 9}" width="12" height="10" fill="{colours[name]}"/>',
            _text(x + 18, y, name if len(name) <= 28 else f"{name[:27]}…"),
        ]
    return _svg(250 + 18 * ((len(lines) + 1) // 2), content, "lines")


def _recall_curve(entries: Sequence[Plain], colours: Mapping[str, str]) -> str:
    cuts = [(0.02, "1"), (0.5, "10"), (0.98, "100")]
    lines = [(e["method"], [(x, 100 * e["recall"][k]["value"]) for x, k in cuts]) for e in entries]
    top = max([y for _, points in lines for _, y in points] + [0.01])
    return _curves(lines, cuts, top, colours)


def _hub_curve(entries: Sequence[Plain], colours: Mapping[str, str]) -> str:
    last = max(len(e["lists"]["most_common"]) for e in entries)
    lines = [
        (e["method"], [(i / max(last - 1, 1), 100 * x) for i, x in enumerate(e["lists"]["most_common"])])
        for e in entries
    ]
    top = max([y for _, points in lines for _, y in points] + [0.01])
    return _curves(lines, [(0.02, "1st"), (0.97, f"no. {last}")], top, colours)


def _reliability(curve: Sequence[Plain]) -> str:
    """Observed rate over probability said; a point's area follows its share of the weight."""
    content = [_line(120, 260, 360, 20, "axis")]
    for step in range(5):
        at = 240 * step / 4
        content += [
            _line(120, 260 - at, 360, 260 - at, "grid"),
            _text(112, 264 - at, f"{step / 4:.2f}", "end"),
            _text(120 + at, 280, f"{step / 4:.2f}", "middle"),
        ]
    points = [(120 + 240 * b["mean"], 260 - 240 * b["rate"], b) for b in curve]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    content.append(f'<polyline points="{joined}" fill="none" stroke="var(--c0)" stroke-width="1.5"/>')
    content += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + 14 * b["weight"] ** 0.5:.1f}" fill="var(--c0)" fill-opacity="0.55">'
        f"<title>said {b['mean']:.3f}, so {b['rate']:.3f}, {b['count']:,} pairs</title></circle>"
        for x, y, b in points
    ]
    content += [_text(240, 300, "match score said", "middle"), _text(366, 20, "share that is so")]
    return _svg(308, content, "reliability curve")
