"""The report as one HTML page beside its figures: no script, no font, nothing from elsewhere. All text is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from indexer.explore.statistics import Plain

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2430; --soft: #5d6675; --paper: #fbfaf7; --card: #ffffff;
  --line: #dcdad3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4de; --soft: #a3a9b4; --paper: #16181d; --card: #1e2128;
  --line: #363a43; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 74rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .4rem; } h2 { font-size: 1.3rem; margin: 2.8rem 0 .4rem; }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; } p, li { max-width: 48rem; } .soft { color: var(--soft); }
.gap { border-left: 3px solid var(--line); padding-left: .8rem; color: var(--soft); }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .6rem .8rem; color: var(--soft); }
th, td { padding: .38rem .8rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
td { white-space: nowrap; } td.text { white-space: normal; min-width: 14rem; } thead th { font-weight: 600; }
tbody th { font-weight: 500; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem;
  align-items: start; margin: .8rem 0; }
figure { margin: 0; padding: .8rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
figure.full { grid-column: 1 / -1; }
figcaption { font-size: .88rem; color: var(--soft); margin-top: .5rem; }
img { max-width: 100%; height: auto; display: block; margin: 0 auto; color-scheme: light dark; }
summary { cursor: pointer; margin: .8rem 0; }
"""

_NAMES = {"movies": "films", "tracks": "songs", "soundtracks": "known pairs"}
_TARGETS = {"movies": "Song → film", "tracks": "Film → song"}
_SETS = {
    "learned": "Pairs that the version was given",
    "unseen": "Pairs of these files that it was not given",
}


@dataclass(frozen=True)
class Drawing:
    """A figure's file name, what it shows for those who cannot see it, and its caption."""

    file: str
    alt: str
    caption: str


Drawings = Mapping[str, Drawing]


def make_page(facts: Plain, drawings: Drawings) -> str:
    """The HTML text of the report."""
    settings = facts["settings"]
    body = "\n".join(
        [
            "<h1>What the films and songs are like</h1>",
            f"<p>{facts['movies']['rows']:,} films and {facts['tracks']['rows']:,} songs after cleaning. Every "
            'figure is over the values that are known, and stands in <a href="facts.json">facts.json</a> too. '
            f"Intervals are at 95 %, from {settings['draws']:,} bootstrap samples; seed {settings['seed']}.</p>",
            "<h2>In short</h2>",
            _summary(facts),
            _cleaning(facts["cleaning"]),
            _films(facts["movies"], drawings),
            _songs(facts["tracks"], drawings),
            _soundtracks(facts["soundtracks"], drawings),
            _links(facts["links"], drawings),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Segue: films and songs</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


# --- sections ------------------------------------------------------------------------------------------------


def _summary(facts: Plain) -> str:
    said = [
        f"{each['first'].capitalize()} and {each['second']}: r = {_interval(each['pearson'])}"
        + (f"; published: {each['published']:.2f}" if each["published"] else "")
        for medium in ("tracks", "movies")
        for each in facts[medium]["named_correlations"]
        if "missing" not in each
    ]
    said += [f"{a['question']} {a['answer']}" for a in facts["soundtracks"].get("answers", ())]
    return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in said)}</ul>" if said else ""


def _cleaning(cleaning: Plain) -> str:
    parts = ["<h2>What cleaning removed</h2>"]
    for source, report in cleaning["files"].items():
        rows = [
            [rule["name"], rule["action"], f"{rule['count']:,}", rule["description"]]
            for rule in report["rules"]
            if rule["count"]
        ]
        clean = len(report["rules"]) - len(rows)
        caption = (
            f"{report['file']} ({_NAMES.get(source, source)}): {report['rows_read']:,} rows read, "
            f"{report['rows_kept']:,} kept, {report['rows_dropped']:,} dropped, {report['rows_merged']:,} merged, "
            f"{report['values_blanked']:,} values made unknown. {clean} other rules found nothing."
        )
        parts.append(_table(caption, ("Rule", "Action", "Hits", "What it says"), rows, text=3))
        if report["absent_columns"]:
            parts.append(_gap(f"not in this file: {', '.join(report['absent_columns'])}", report["file"]))
    return "\n".join(parts)


def _films(facts: Plain, drawings: Drawings) -> str:
    return "\n".join(
        [
            "<h2>Films</h2>",
            _described(facts, "films"),
            _figures(
                drawings,
                {"movies-popularity": facts["popularity"], "movies-genres": facts["popular_genres"]},
                {"movies-popularity": "Popularity", "movies-genres": "Popularity by genre"},
            ),
            _genres(facts["genres"], "films"),
            "<h3>Correlations</h3>",
            _named(facts["named_correlations"]),
            _figures(
                drawings,
                {"movies-correlations": facts["correlations"], "movies-associations": facts["associations"]},
                {"movies-correlations": "Correlations", "movies-associations": "Associations"},
            ),
            _association_note(facts["associations"]),
            "<h3>Keywords</h3>",
            _figures(drawings, {"cloud": facts["keywords"]}, {"cloud": "Keywords"}, full=("cloud",)),
            _words(facts["keywords"], "keywords", "films"),
        ]
    )


def _songs(facts: Plain, drawings: Drawings) -> str:
    explicit = facts["explicit"]
    difference = explicit.get("difference", {})
    told = ""
    if "value" in difference:
        told = f"<p>Mean popularity of explicit songs less that of the others: {_interval(difference, 1)} points.</p>"
    elif "missing" in difference:
        told = _gap(difference["missing"], "Explicit against other songs")
    return "\n".join(
        [
            "<h2>Songs</h2>",
            _described(facts, "songs"),
            _figures(
                drawings,
                {
                    "tracks-popularity": facts["popularity"],
                    "tempo": facts["tempo"],
                    "tracks-genres": facts["popular_genres"],
                    "scatter": facts["scatter"],
                    "explicit": explicit,
                },
                {
                    "tracks-popularity": "Popularity",
                    "tempo": "Tempo",
                    "explicit": "Explicit and popularity",
                    "tracks-genres": "Popularity by genre",
                    "scatter": "Valence and danceability",
                },
            ),
            told,
            _genres(facts["genres"], "songs"),
            _words(facts["tags"], "tags", "songs"),
            "<h3>Correlations</h3>",
            _named(facts["named_correlations"]),
            _figures(
                drawings,
                {"tracks-correlations": facts["correlations"], "tracks-associations": facts["associations"]},
                {"tracks-correlations": "Correlations", "tracks-associations": "Associations"},
                full=("tracks-correlations",),
            ),
            _association_note(facts["associations"]),
        ]
    )


def _soundtracks(facts: Plain, drawings: Drawings) -> str:
    parts = ["<h2>Does the music of films go with their genre and mood?</h2>"]
    if "missing" in facts:
        return "\n".join([*parts, _gap(facts["missing"], "Songs of films")])
    parts.append(
        f"<p>{facts['pairs']:,} known pairs of {facts['films']:,} films and {facts['songs']:,} songs. Intervals draw "
        f"whole films. p-values permute films {facts['permutations']:,} times, each keeping its songs; they are "
        f"corrected (Holm 1979) for all {facts['comparisons']} comparisons below and, for the questions asked "
        f"beforehand, also among those alone. {facts['pairs_of_shared_songs']:,} pairs share their song with another "
        "film, of which neither takes account. The mood of a film is estimated from its genres, keywords and overview, "
        "so it is no independent witness beside genre.</p>"
    )
    answers = [
        f"<dt><strong>{escape(a['question'])}</strong></dt><dd>{escape(a['answer'])}</dd>"
        for a in facts["answers"]
    ]
    parts.append(f"<dl>{''.join(answers)}</dl>")
    stands = [c for c in facts["cells"] if c["p_holm"] < 0.05]
    if stands:
        named = "; ".join(_say_cell(c) for c in stands)
        parts.append(f"<p>What survives correction for everything that was compared: {escape(named)}.</p>")
    else:
        parts.append("<p>Nothing survives correction for everything that was compared.</p>")
    keys = ("soundtracks-genres", "soundtracks-intervals", "soundtracks-moods")
    parts.append(_figures(drawings, {key: {} for key in keys if key in drawings}, {}, full=keys))
    parts.append(_cell_tables(facts))
    return "\n".join(part for part in parts if part)


def _say_cell(cell: Plain) -> str:
    if cell["kind"] == "genre":
        return f"{cell['feature']} in {cell['label'].lower()} films, {_interval(cell['difference'])}"
    return f"{cell['feature']} with the film's {cell['label']}, r = {_interval(cell['correlation'])}"


def _cell_tables(facts: Plain) -> str:
    rows = [
        [
            cell["label"] if cell["kind"] == "genre" else f"film's {cell['label']}",
            cell["feature"],
            f"{cell['films']:,}",
            f"{cell['pairs']:,}",
            _interval(cell["difference"])
            if cell["kind"] == "genre"
            else f"r = {_interval(cell['correlation'])}",
            f"{cell['p']:.4f}",
            f"{cell['p_holm']:.4f}",
        ]
        for cell in sorted(facts["cells"], key=lambda c: (c["p"], c["kind"], c["label"], c["feature"]))
    ]
    head = ("Film", "Feature", "Films", "Pairs", "Difference or correlation", "p", "p by Holm")
    thirds = [
        [
            f"{third['third']} ({third['axis']})",
            third["feature"],
            f"{third['films']:,}",
            f"{third['pairs']:,}",
            _interval(third["mean"]),
        ]
        for third in facts["mood_thirds"]
    ]
    return (
        "<details><summary>All comparisons, and means by thirds of film mood</summary>"
        + _table("Every comparison, surest first; intervals are not corrected.", head, rows)
        + _table(
            "Mean features of songs by thirds of film mood, with intervals by film.",
            ("Thirds", "Feature", "Films", "Pairs", "Mean"),
            thirds,
        )
        + "</details>"
    )


def _links(facts: Plain, drawings: Drawings) -> str:
    parts = ["<h2>Which blocks of the space carry the links?</h2>"]
    if "missing" in facts:
        return "\n".join([*parts, _gap(facts["missing"], "Blocks of the space")])
    parts.append(
        f"<p>Index version {escape(facts['version'])}: {facts['movies']:,} films, {facts['tracks']:,} songs. The score "
        "of a pair is a sum of one term a block. Each known pair is set beside "
        f"{facts['random_a_pair']} random ones with the same query; a block's share is its part of what "
        "known pairs have above them. Between items the dials "
        "say nothing but a mild preference for what is known, and the hub block is what is held against an item "
        "whoever asks."
        + (
            ""
            if facts["same_files"]
            else " <strong>The version was built from other files than this report.</strong>"
        )
        + "</p>"
        "<p>The learned block draws together the pairs that the version was given: on these it remembers, and "
        "its share there says nothing about new films. The column without it is the fairer one.</p>"
    )
    for name, title in _SETS.items():
        part = facts["sets"][name]
        parts.append(f"<h3>{title}</h3>")
        if "missing" in part:
            parts.append(_gap(part["missing"], title))
            continue
        parts.append(_figures(drawings, {f"links-{name}": {}}, {}))
        for target, rows in part["targets"].items():
            parts.append(
                _table(
                    f"{_TARGETS[target]}: mean terms, {part['pairs']:,} pairs of {part['films']:,} films.",
                    (
                        "Block",
                        "Known",
                        "Random",
                        "Difference",
                        "Share, %",
                        "… without learned, %",
                        "Leads, %",
                    ),
                    [
                        [
                            row["block"],
                            f"{row['known']:.4f}",
                            f"{row['random']:.4f}",
                            _interval(row["difference"], 4),
                            _interval(row["share"], 1, 100),
                            _interval(row["share_without_learned"], 1, 100),
                            f"{100 * row['leads']:.1f}",
                        ]
                        for row in rows
                    ],
                )
            )
    return "\n".join(parts)


# --- parts of sections ---------------------------------------------------------------------------------------


def _described(facts: Plain, called: str) -> str:
    keys = ("mean", "sd", "min", "quartile_1", "median", "quartile_3", "max", "skewness")
    rows = []
    for name, told in facts["described"].items():
        counts = [f"{told[key]:,}" if key in told else "" for key in ("known", "unknown")]
        if "missing" in told:
            rows.append([name, *counts, told["missing"], *[""] * (len(keys) - 1)])
        else:
            rows.append([name, *counts, *(_number(told[key], year=name == "year") for key in keys)])
    head = (
        "Column",
        "Known",
        "Unknown",
        "Mean",
        "SD",
        "Min",
        "Quartile 1",
        "Median",
        "Quartile 3",
        "Max",
        "Skewness",
    )
    return _table(f"Numbers of {facts['rows']:,} {called}.", head, rows)


def _genres(facts: Plain, called: str) -> str:
    if "missing" in facts:
        return _gap(facts["missing"], "Genres")
    named = ", ".join(f"{e['genre']} {e['items']:,}" for e in facts["commonest"][:12])
    return f"<p>{facts['genres']:,} genres; {facts['without']:,} {called} have none. Commonest: {escape(named)}.</p>"


def _words(facts: Plain, what: str, called: str) -> str:
    if "missing" in facts:
        return _gap(facts["missing"], what.capitalize())
    named = ", ".join(f"{e['word']} {e['items']:,}" for e in facts["commonest"][:15])
    return f"<p>{facts['words']:,} different {what} on {facts['rows_with']:,} {called}; commonest: {escape(named)}.</p>"


def _named(pairs: Sequence[Plain]) -> str:
    rows = []
    for each in pairs:
        name = f"{each['first']} and {each['second']}"
        published = f"{each['published']:.2f}" if each["published"] else "no figure"
        if "missing" in each:
            rows.append([name, published, each["missing"], "", ""])
        else:
            said = f"{each['spearman']:.3f}"
            rows.append([name, published, _interval(each["pearson"]), said, f"{each['rows']:,}"])
    caption = "Correlations that published explorations show, and ours."
    return _table(caption, ("Columns", "Published r", "Our r", "Our rank correlation", "Rows"), rows)


def _association_note(facts: Plain) -> str:
    note = (
        "Cramér's V is corrected for bias (Bergsma 2013): independent columns with many levels do not look linked. Of "
        "several genres or countries the first named counts."
    )
    if facts.get("levels"):
        note += " Levels: " + ", ".join(f"{name} {count}" for name, count in facts["levels"].items()) + "."
    return f'<p class="soft">{escape(note)}</p>' + _left_out(facts)


def _left_out(facts: Plain) -> str:
    return "".join(_gap(why, name) for name, why in facts.get("left_out", {}).items())


def _figures(
    drawings: Drawings, wanted: Mapping[str, Plain], titles: Mapping[str, str], full: Sequence[str] = ()
) -> str:
    shown, gaps = [], []
    for key, facts in wanted.items():
        if key in drawings:
            shown.append(_figure(drawings[key], key in full))
        else:
            gaps.append(_gap(facts.get("missing", "nothing to draw"), titles.get(key, key)))
        if "left_out" in facts and key.endswith("correlations"):
            gaps.append(_left_out(facts))
    return (f'<div class="plots">{"".join(shown)}</div>' if shown else "") + "".join(gaps)


def _figure(drawing: Drawing, full: bool) -> str:
    return (
        f'<figure{" class=full" if full else ""}><img src="{escape(drawing.file)}" alt="{escape(drawing.alt)}">'
        f"<figcaption>{escape(drawing.caption)}</figcaption></figure>"
    )


def _gap(reason: str, what: str) -> str:
    return f'<p class="gap">{escape(what)}: {escape(reason)}.</p>'


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], text: int = -1) -> str:
    """A table of plain cells, the first of each row its heading; column ``text`` may wrap."""
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(
            f"<td{' class=text' if place == text else ''}>{escape(cell)}</td>"
            for place, cell in enumerate(row[1:], 1)
        )
        + "</tr>"
        for row in rows
    )
    if not rows:
        lines = f'<tr><td colspan="{len(head)}">none</td></tr>'
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _number(value: float, year: bool = False) -> str:
    if year:
        return f"{value:.1f}".removesuffix(".0").replace("-", "−")
    said = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return said.replace("-", "−")


def _interval(figure: Plain | None, digits: int = 3, factor: float = 1.0) -> str:
    if figure is None:
        return "–"
    value, low, high = (
        "–" if figure[key] is None else f"{factor * figure[key]:.{digits}f}".replace("-", "−")
        for key in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"
