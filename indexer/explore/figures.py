"""Which facts are drawn, and what each figure says to those who read its alternative text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from indexer.explore import drawing
from indexer.explore.catalogue_facts import numbers
from indexer.explore.page import Drawing
from indexer.explore.soundtrack_facts import SIGNIFICANT
from indexer.explore.statistics import Plain

_MEDIA = {"movies": "films", "tracks": "songs"}
_TARGETS = {"movies": "song → film", "tracks": "film → song"}
_SHOWN_GENRES = 15


def draw_all(facts: Plain, tracks: pd.DataFrame, folder: Path) -> dict[str, Drawing]:
    """Draw what can be drawn into ``folder``: key of the page → drawing. ``tracks``: the dots of the scatter."""
    seed = facts["settings"]["seed"]
    drawings: dict[str, Drawing] = {}
    for medium, called in _MEDIA.items():
        drawings |= _draw_medium(facts[medium], medium, called, folder)
    words = facts["movies"]["keywords"]
    if words.get("commonest"):
        commonest = ", ".join(entry["word"] for entry in words["commonest"][:8])
        drawings["cloud"] = Drawing(
            drawing.draw_cloud(words["commonest"], folder, "films-keywords", seed),
            f"Cloud of the {len(words['commonest'])} commonest keywords; the largest: {commonest}.",
            f"The {len(words['commonest'])} commonest of {words['words']:,} keywords, by how many films have them.",
        )
    songs = facts["tracks"]
    if "missing" not in songs["tempo"]:
        drawings["tempo"] = _histogram(
            songs, "tempo", "tempo, beats a minute", "songs-tempo", "Tempo of songs", folder
        )
    if any("missing" not in box for box in songs["explicit"].get("boxes", {}).values()):
        drawings["explicit"] = Drawing(
            drawing.draw_boxes(songs["explicit"]["boxes"], "popularity", folder, "songs-explicit"),
            "Boxes of popularity: "
            + "; ".join(_say_box(k, b) for k, b in songs["explicit"]["boxes"].items()),
            "Popularity of songs by explicitness. Box: quartiles; line: median; diamond: mean; whiskers: last values "
            "within 1.5 interquartile ranges.",
        )
    if "missing" not in songs["scatter"]:
        drawings["scatter"] = _scatter(songs["scatter"], tracks, folder)
    if "missing" not in facts["soundtracks"]:
        drawings |= _draw_soundtracks(facts["soundtracks"], folder)
    if "missing" not in facts["links"]:
        drawings |= _draw_links(facts["links"], folder)
    return drawings


def _draw_medium(facts: Plain, medium: str, called: str, folder: Path) -> dict[str, Drawing]:
    drawings = {}
    if "missing" not in facts["popularity"]:
        label = "popularity, log10" if medium == "movies" else "popularity, 0 to 100"
        drawings[f"{medium}-popularity"] = _histogram(
            facts, "popularity", label, f"{called}-popularity", f"Popularity of {called}", folder
        )
    if "missing" not in facts["popular_genres"]:
        rows = facts["popular_genres"]["first"][:_SHOWN_GENRES]
        first = ", ".join(f"{row['genre']} {row['median']:.3g}" for row in rows[:5])
        drawings[f"{medium}-genres"] = Drawing(
            drawing.draw_ranges(rows, "popularity", folder, f"{called}-popular-genres"),
            f"Genres of {called} by median popularity; first: {first}.",
            f"Most popular genres of {called}: median (dot) and quartiles (line) of popularity; in brackets how many. "
            f"{facts['popular_genres']['ranked_genres']} genres with at least "
            f"{facts['popular_genres']['least_items']} {called} were ranked.",
        )
    for key, table, span, title in (
        ("correlations", "pearson", (-1.0, 1.0), "Pearson correlations of numbers"),
        ("associations", "cramers_v", (0.0, 1.0), "Bias-corrected Cramér's V of categories"),
    ):
        found = facts[key]
        if "missing" not in found:
            names = found["columns"]
            drawings[f"{medium}-{key}"] = Drawing(
                drawing.draw_heat_map(found[table], names, names, span, folder, f"{called}-{key}"),
                f"Heat map of {called}; strongest: {_say_strongest(found[table], names)}.",
                f"{title}, {called}; each over the rows where both are known.",
            )
    return drawings


def _say_strongest(table: list[list[float | None]], names: list[str], most: int = 4) -> str:
    cells = [
        (value, names[j], names[i])
        for i, line in enumerate(table)
        for j, value in enumerate(line)
        if j < i and value is not None
    ]
    cells.sort(key=lambda cell: (-abs(cell[0]), cell[1:]))
    return ", ".join(f"{a} and {b} {value:.2f}" for value, a, b in cells[:most])


def _say_box(name: str, box: Plain) -> str:
    if "missing" in box:
        return f"{name}: {box['missing']}"
    return f"{name} median {box['median']:.3g}, quartiles {box['quartile_1']:.3g} and {box['quartile_3']:.3g}"


def _histogram(facts: Plain, key: str, label: str, name: str, title: str, folder: Path) -> Drawing:
    found = facts[key]
    counts, edges = found["counts"], found["edges"]
    top = max(range(len(counts)), key=lambda at: (counts[at], -at))
    return Drawing(
        drawing.draw_histogram(found, label, folder, name),
        f"Histogram with density; the highest bin is {edges[top]:.3g} to {edges[top + 1]:.3g} with {counts[top]:,}.",
        f"{title}: {found['values']:,} known values in {len(counts)} bins, and their density (Gaussian kernel, "
        "Scott's bandwidth), scaled to counts.",
    )


def _scatter(found: Plain, tracks: pd.DataFrame, folder: Path) -> Drawing:
    popularity = numbers(tracks, "popularity") if found["songs_with_popularity"] else None
    r, by_valence, by_dance = (
        found[key] for key in ("pearson", "pearson_popularity_valence", "pearson_popularity_danceability")
    )
    return Drawing(
        drawing.draw_scatter(
            numbers(tracks, "valence"),
            numbers(tracks, "danceability"),
            popularity,
            ("valence", "danceability", "popularity"),
            folder,
        ),
        f"Scatter of {found['songs']:,} songs"
        + ("" if r is None else f"; danceability goes with valence, r = {r:.2f}.")
        + ("" if by_valence is None else f" Popularity and valence: r = {by_valence:.2f}.")
        + ("" if by_dance is None else f" Popularity and danceability: r = {by_dance:.2f}."),
        "Valence and danceability, coloured by popularity; grey: popularity unknown.",
    )


def _draw_soundtracks(found: Plain, folder: Path) -> dict[str, Drawing]:
    drawings = {}
    cells = {(c["kind"], c["label"], c["feature"]): c for c in found["cells"]}
    genres = sorted({label for kind, label, _ in cells if kind == "genre"})
    features = found["features"]
    if genres:
        table = [[_figure(cells.get(("genre", g, f)), "difference_in_sd") for f in features] for g in genres]
        marks = [[_mark(cells.get(("genre", g, f))) for f in features] for g in genres]
        out = [c for c in found["cells"] if c["kind"] == "genre" and c["p_holm"] < SIGNIFICANT]
        told = "; ".join(f"{c['label']} {c['feature']} {c['difference_in_sd']:+.2f}" for c in out) or "none"
        drawings["soundtracks-genres"] = Drawing(
            drawing.draw_heat_map(table, genres, features, (-0.8, 0.8), folder, "soundtracks-genres", marks),
            f"Heat map of differences in standard deviations; after correction these stand: {told}.",
            "Songs of films of a genre against those of all other films, in standard deviations of the feature over "
            "soundtrack songs. *: p below 0.05 alone; **: after correction for all comparisons.",
        )
        panels = {
            feature: [
                (f"{g} ({c['films']})", c["difference"], c["p_holm"] < SIGNIFICANT)
                for g in genres
                if (c := cells.get(("genre", g, feature)))
            ]
            for feature in ("energy", "valence")
            if feature in features
        }
        if panels and all(panels.values()):
            drawings["soundtracks-intervals"] = Drawing(
                drawing.draw_intervals(panels, "difference of means", folder, "soundtracks-genres-intervals"),
                "Differences of mean energy and valence by genre with intervals; the same figures are in the table.",
                "Energy and valence of songs by film genre (films in brackets): difference to all other films with "
                "its 95 % interval, not corrected. Orange: stands after correction.",
            )
    panels = {
        f"film {axis}": [
            (f, c["correlation"], c["p_holm"] < SIGNIFICANT)
            for f in features
            if (c := cells.get(("mood", axis, f)))
        ]
        for axis in ("valence", "arousal")
    }
    if all(panels.values()):
        drawings["soundtracks-moods"] = Drawing(
            drawing.draw_intervals(panels, "correlation", folder, "soundtracks-moods"),
            "Correlations of the film's mood with its songs' features, with intervals; the table has the same figures.",
            "Film mood and features of its songs: Pearson's r with its 95 % interval. Orange: stands after correction.",
        )
    return drawings


def _figure(cell: Plain | None, key: str) -> float | None:
    return None if cell is None else cell[key]


def _mark(cell: Plain | None) -> str:
    if cell is None or cell["p"] >= SIGNIFICANT:
        return ""
    return "**" if cell["p_holm"] < SIGNIFICANT else "*"


def _draw_links(found: Plain, folder: Path) -> dict[str, Drawing]:
    drawings = {}
    for name, part in found["sets"].items():
        if "missing" in part:
            continue
        groups = {
            _TARGETS[target]: {row["block"]: row["share"] for row in rows if row["known"] or row["random"]}
            for target, rows in part["targets"].items()
        }
        first = next(iter(groups.values()))
        told = ", ".join(f"{block} {100 * share['value']:.0f} %" for block, share in first.items())
        drawings[f"links-{name}"] = Drawing(
            drawing.draw_shares(groups, "share of the score above random pairs", folder, f"links-{name}"),
            f"Shares of blocks, song to film: {told}.",
            f"What each block adds to the score of {part['pairs']:,} known pairs above random ones, as a share, with "
            "its 95 % interval.",
        )
    return drawings
