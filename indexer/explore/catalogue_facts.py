"""What the films and the songs of a catalogue are like, each medium by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from indexer.catalogue.records import AUDIO_FEATURES, Medium, split_cell
from indexer.catalogue.report import FileReport
from indexer.explore.statistics import (
    LEAST_VALUES,
    Floats,
    Plain,
    as_plain,
    both_known,
    correlation_interval,
    correlation_matrix,
    cramers_v,
    describe,
    encode,
    histogram,
    missing,
    pearson,
    spearman,
    symmetric,
)

#: Numbers of each medium that are described and correlated.
NUMBERS: dict[Medium, tuple[str, ...]] = {
    "movies": ("year", "runtime_min", "rating", "votes", "popularity", "revenue", "budget"),
    "tracks": ("year", "popularity", "duration_ms", *AUDIO_FEATURES),
}
#: Categories whose associations are measured; of several genres or countries the first named.
CATEGORIES: dict[Medium, tuple[str, ...]] = {
    "movies": ("genres", "language", "countries", "decade"),
    "tracks": ("genres", "explicit", "key", "mode", "time_signature", "decade"),
}
#: Genres with fewer items of known popularity are not ranked by it.
LEAST_IN_GENRE = 30
_MOST_LISTED = 20
_CLOUD_WORDS = 150


class PublishedCorrelation(NamedTuple):
    """A correlation that published explorations of such data sets show, and its figure where one was given."""

    medium: Medium
    first: str
    second: str
    published: float | None


PUBLISHED = (
    PublishedCorrelation("tracks", "energy", "loudness", None),
    PublishedCorrelation("movies", "revenue", "budget", 0.69),
    PublishedCorrelation("movies", "votes", "revenue", 0.7),
)


def numbers(table: pd.DataFrame, column: str) -> Floats:
    """A column (n,) float64, NaN unknown."""
    return np.asarray(table[column].to_numpy(dtype=np.float64, na_value=np.nan))


def gap(table: pd.DataFrame, absent: list[str], *columns: str) -> Plain | None:
    """Why nothing can be told of these columns together; None where something can."""
    lacking = [name for name in columns if name in absent]
    if lacking:
        return missing(f"not in this file: {', '.join(lacking)}")
    known = ~(table[list(columns)].isna() | (table[list(columns)] == "")).any(axis=1)
    if int(known.sum()) < LEAST_VALUES:
        return missing(f"fewer than {LEAST_VALUES} rows with {' and '.join(columns)}")
    return None


def medium_facts(medium: Medium, table: pd.DataFrame, report: FileReport, draws: int, seed: int) -> Plain:
    """Facts of one table: descriptions, histograms, genres, correlations, associations, and words.

    ``draws``: bootstrap samples behind each interval.
    """
    absent = report.absent

    def told(columns: tuple[str, ...], facts: Callable[[], Plain]) -> Plain:
        return gap(table, absent, *columns) or facts()

    facts: Plain = {
        "rows": len(table),
        "described": {
            name: missing(f"not in this file: {name}") if name in absent else describe(numbers(table, name))
            for name in NUMBERS[medium]
        },
        "genres": told(("genres",), lambda: _genres(medium, table)),
        "popular_genres": told(("genres", "popularity"), lambda: _popular_genres(medium, table)),
        "correlations": _correlations(medium, table, absent),
        "named_correlations": [
            _named(pair, table, absent, draws, seed) for pair in PUBLISHED if pair.medium == medium
        ],
        "associations": _associations(medium, table, absent),
    }
    if medium == "movies":
        facts["popularity"] = told(("popularity",), lambda: _log_histogram(numbers(table, "popularity")))
        facts["keywords"] = told(("keywords",), lambda: _words(table, "keywords"))
    else:
        facts["popularity"] = told(
            ("popularity",), lambda: histogram(numbers(table, "popularity"), 50, 0.0, 100.0)
        )
        facts["tempo"] = told(("tempo",), lambda: histogram(numbers(table, "tempo"), 60, 30.0, 240.0))
        facts["explicit"] = told(("explicit", "popularity"), lambda: _explicit(table, draws, seed))
        facts["scatter"] = told(("valence", "danceability"), lambda: _scatter(table))
        facts["tags"] = told(("tags",), lambda: _words(table, "tags"))
    return facts


def _log_histogram(values: Floats) -> Plain:
    """Popularity of films spans seven powers of ten, so its logarithm to base 10 is counted."""
    above = values[values > 0]
    if len(above) < LEAST_VALUES:
        return missing(f"fewer than {LEAST_VALUES} values above 0")
    logs = np.log10(above)
    low, high = float(np.floor(logs.min())), float(np.ceil(logs.max()))
    return {**histogram(logs, 50, low, max(high, low + 1.0)), "zeros": int(np.count_nonzero(values == 0))}


def _name_genres(medium: Medium, cell: object) -> dict[str, None]:
    """Genres of one item, each once; those of songs in lower case, as sources of songs spell them both ways."""
    return dict.fromkeys(genre.lower() if medium == "tracks" else genre for genre in split_cell(cell))


def _genres(medium: Medium, table: pd.DataFrame) -> Plain:
    counts = Counter(genre for cell in table["genres"] for genre in _name_genres(medium, cell))
    return {
        "genres": len(counts),
        "without": int((table["genres"] == "").sum()),
        "commonest": [{"genre": genre, "items": count} for genre, count in _first(counts, _MOST_LISTED)],
    }


def _first(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:most]


def _popular_genres(medium: Medium, table: pd.DataFrame) -> Plain:
    """Genres by the median popularity of their items; an item counts in each of its genres."""
    rated: dict[str, list[float]] = {}
    for cell, popularity in zip(table["genres"], numbers(table, "popularity"), strict=True):
        if not np.isnan(popularity):
            for genre in _name_genres(medium, cell):
                rated.setdefault(genre, []).append(float(popularity))
    ranked = [
        {
            "genre": genre,
            "items": len(values),
            "median": float(np.median(values)),
            "quartile_1": float(np.percentile(values, 25)),
            "quartile_3": float(np.percentile(values, 75)),
        }
        for genre, values in sorted(rated.items())
        if len(values) >= LEAST_IN_GENRE
    ]
    if not ranked:
        return missing(f"no genre with {LEAST_IN_GENRE} items of known popularity")
    ranked.sort(key=lambda entry: -float(str(entry["median"])))
    return {"ranked_genres": len(ranked), "least_items": LEAST_IN_GENRE, "first": ranked[:_MOST_LISTED]}


def _correlations(medium: Medium, table: pd.DataFrame, absent: list[str]) -> Plain:
    columns, lacking = {}, {}
    for name in NUMBERS[medium]:
        why = gap(table, absent, name)
        if why is None and np.ptp(values := numbers(table, name)[table[name].notna()]) > 0 and len(values):
            columns[name] = numbers(table, name)
        else:
            lacking[name] = "constant" if why is None else why["missing"]
    if len(columns) < 2:
        return {**missing("fewer than two columns of numbers"), "left_out": lacking}
    return {**correlation_matrix(columns), "left_out": lacking}


def _named(
    pair: PublishedCorrelation, table: pd.DataFrame, absent: list[str], draws: int, seed: int
) -> Plain:
    facts: Plain = {"first": pair.first, "second": pair.second, "published": pair.published}
    why = gap(table, absent, pair.first, pair.second)
    if why is not None:
        return {**facts, **why}
    x, y = numbers(table, pair.first), numbers(table, pair.second)
    figure = correlation_interval(x, y, draws, seed)
    if figure is None:
        return {**facts, **missing("one of the two is constant")}
    return {
        **facts,
        "rows": len(both_known(x, y)[0]),
        "pearson": as_plain(figure),
        "spearman": spearman(x, y),
    }


def _associations(medium: Medium, table: pd.DataFrame, absent: list[str]) -> Plain:
    columns, lacking = {}, {}
    for name in CATEGORIES[medium]:
        # Films have a year of their own, of which the decade follows.
        source = "year" if (medium, name) == ("movies", "decade") else name
        why = gap(table, absent, source)
        if why is None:
            columns[name] = encode(_categories(medium, table, name, source))
        else:
            lacking[name] = why["missing"]
    constant = [name for name, codes in columns.items() if codes.max() < 1]
    for name in constant:
        lacking[name] = "constant"
        del columns[name]
    if len(columns) < 2:
        return {**missing("fewer than two columns of categories"), "left_out": lacking}
    names = list(columns)
    return {
        "columns": names,
        "levels": {name: int(columns[name].max()) + 1 for name in names},
        "cramers_v": symmetric(names, lambda a, b: cramers_v(columns[a], columns[b])),
        "left_out": lacking,
    }


def _categories(medium: Medium, table: pd.DataFrame, name: str, source: str) -> list[object]:
    if name in ("genres", "countries"):
        return [next(iter(_name_genres(medium, cell)), None) for cell in table[name]]
    if source == "year":
        return (table[source] // 10 * 10).tolist()
    return list(table[source].tolist())


def _words(table: pd.DataFrame, column: str) -> Plain:
    counts = Counter(word for cell in table[column] for word in dict.fromkeys(split_cell(cell)))
    return {
        "words": len(counts),
        "rows_with": int((table[column] != "").sum()),
        "commonest": [{"word": word, "items": count} for word, count in _first(counts, _CLOUD_WORDS)],
    }


def _explicit(table: pd.DataFrame, draws: int, seed: int) -> Plain:
    """Popularity of explicit and other songs as boxes, and the difference of their means with its interval."""
    popularity, explicit = both_known(numbers(table, "popularity"), numbers(table, "explicit"))
    groups = {"explicit": popularity[explicit == 1.0], "not explicit": popularity[explicit == 0.0]}
    facts: Plain = {"boxes": {name: _box(values) for name, values in groups.items()}}
    if any(len(values) < LEAST_VALUES for values in groups.values()):
        return {**facts, "difference": missing(f"fewer than {LEAST_VALUES} songs in a group")}
    rng = np.random.default_rng(seed)
    means = [
        np.array([rng.choice(values, len(values)).mean() for _ in range(draws)]) for values in groups.values()
    ]
    low, high = np.quantile(means[0] - means[1], (0.025, 0.975), method="inverted_cdf")
    value = float(groups["explicit"].mean() - groups["not explicit"].mean())
    return {**facts, "difference": {"value": value, "low": float(low), "high": float(high)}}


def _box(values: Floats) -> Plain:
    """A box after Tukey: whiskers reach the last values within 1.5 interquartile ranges."""
    facts = describe(values)
    if "missing" in facts:
        return facts
    reach = 1.5 * (facts["quartile_3"] - facts["quartile_1"])
    inside = values[(values >= facts["quartile_1"] - reach) & (values <= facts["quartile_3"] + reach)]
    return {
        **facts,
        "whisker_low": float(inside.min()),
        "whisker_high": float(inside.max()),
        "beyond": len(values) - len(inside),
    }


def _scatter(table: pd.DataFrame) -> Plain:
    valence, dance = both_known(numbers(table, "valence"), numbers(table, "danceability"))
    popularity = numbers(table, "popularity")
    return {
        "songs": len(valence),
        "songs_with_popularity": int(np.count_nonzero(~np.isnan(popularity))),
        "pearson": pearson(valence, dance),
        "pearson_popularity_valence": pearson(popularity, numbers(table, "valence")),
        "pearson_popularity_danceability": pearson(popularity, numbers(table, "danceability")),
    }
