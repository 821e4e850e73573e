"""The starter catalogue: what a fresh clone can search must be whole, varied and free of slips."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from indexer.catalogue import AUDIO_FEATURES, SEPARATOR, Catalogue, read_catalogue
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS

DECADES = range(1930, 2030, 10)
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TMDB_GENRES = {
    *("Action", "Adventure", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy"),
    *("History", "Horror", "Music", "Mystery", "Romance", "Science Fiction", "TV Movie", "Thriller", "War"),
    "Western",
}


@pytest.fixture(scope="module")
def starter() -> Catalogue:
    return read_catalogue(MOVIES, TRACKS, SOUNDTRACKS)


def parts(cells: pd.Series[str]) -> list[str]:
    return [part for cell in cells for part in str(cell).split(SEPARATOR) if part]


def spelling(name: str) -> str:
    bare = unicodedata.normalize("NFKD", name.casefold().replace("&", "and"))
    return re.sub(r"[\W_]+", "", "".join(c for c in bare if not unicodedata.combining(c)))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_it_is_large_enough_to_be_of_use(starter: Catalogue) -> None:
    assert len(starter.movies) >= 300
    assert len(starter.tracks) >= 600
    assert len(starter.soundtracks) >= 150


def test_cleaning_finds_nothing_to_mend(starter: Catalogue) -> None:
    hits = {
        (source, rule.name): rule.count
        for source, report in starter.report.files.items()
        for rule in report.rules.values()
        if rule.count
    }
    # A song is listed once per genre, as in the public set; that is the only thing merged.
    repeats = len(table(TRACKS)) - len(starter.tracks)
    assert hits == {("tracks", "genre_rows_merged"): repeats}
    assert {source: report.absent for source, report in starter.report.files.items()} == {
        "movies": [],
        "tracks": [],
        "soundtracks": [],
    }


def test_every_pair_is_kept(starter: Catalogue) -> None:
    kept = list(starter.soundtracks.itertuples(index=False, name=None))
    assert kept == [(row["tmdb_id"], row["track_id"]) for row in table(SOUNDTRACKS)]


def test_every_decade_is_served(starter: Catalogue) -> None:
    films = Counter(starter.movies["year"] // 10 * 10)
    songs = Counter(starter.tracks["year"] // 10 * 10)
    assert {decade: films[decade] for decade in DECADES if films[decade] < 10} == {}
    assert {decade: songs[decade] for decade in DECADES if songs[decade] < 20} == {}
    assert set(films) | set(songs) == {float(decade) for decade in DECADES}
    assert (starter.tracks["decade"] == starter.tracks["year"] // 10 * 10).all()


def test_languages_and_genres_are_many(starter: Catalogue) -> None:
    languages = set(starter.movies["language"])
    genres = set(parts(starter.movies["genres"]))
    assert len(languages) >= 15
    assert [code for code in languages if not re.fullmatch("[a-z]{2}", code)] == []
    assert genres - TMDB_GENRES == set()
    assert len(genres) >= 17
    assert len(set(parts(starter.tracks["genres"]))) >= 100


def test_overviews_are_of_use_and_all_different(starter: Catalogue) -> None:
    words = starter.movies["overview"].map(lambda text: len(str(text).split()))
    assert starter.movies.loc[~words.between(10, 60), "id"].tolist() == []
    assert starter.movies.loc[starter.movies["overview"].duplicated(), "id"].tolist() == []


@pytest.mark.parametrize("medium", ["movies", "tracks"])
def test_ids_are_readable_and_unique(starter: Catalogue, medium: str) -> None:
    ids = getattr(starter, medium)["id"].tolist()
    assert [id for id in ids if not SLUG.fullmatch(id) or len(id) > 60] == []
    assert [id for id, count in Counter(ids).items() if count > 1] == []


def test_ids_of_films_end_in_their_year(starter: Catalogue) -> None:
    rows = zip(starter.movies["id"], starter.movies["year"], strict=True)
    assert [id for id, year in rows if not id.endswith(f"-{year:.0f}")] == []


def test_nothing_is_listed_twice_under_another_spelling(starter: Catalogue) -> None:
    films = Counter(zip(starter.movies["title"].map(spelling), starter.movies["year"], strict=True))
    first = starter.tracks["artists"].str.split(SEPARATOR, regex=False).str[0].map(spelling)
    songs = Counter(zip(starter.tracks["title"].map(spelling), first, strict=True))
    assert [name for name, count in (films + songs).items() if count > 1] == []


def test_films_and_songs_carry_what_search_and_filters_read(starter: Catalogue) -> None:
    films = starter.movies[["overview", "genres", "keywords", "countries", "language", "runtime_min", "year"]]
    songs = starter.tracks[["artists", "genres", "tags", "year", "duration_ms", "popularity", "explicit"]]
    assert int((films.isna() | (films == "")).to_numpy().sum()) == 0
    assert int((songs.isna() | (songs == "")).to_numpy().sum()) == 0
    assert int(starter.tracks[list(AUDIO_FEATURES)].isna().to_numpy().sum()) == 0
    assert int(starter.tracks[list(AUDIO_FEATURES)].duplicated().sum()) == 0


def test_known_facts_survive(starter: Catalogue) -> None:
    film = starter.movies.set_index("id").loc["casablanca-1942"]
    song = starter.tracks.set_index("id").loc["dooley-wilson-as-time-goes-by"]
    pairs = set(starter.soundtracks.itertuples(index=False, name=None))
    assert (film["title"], film["year"], film["language"]) == ("Casablanca", 1942.0, "en")
    assert (song["title"], song["artists"], song["year"]) == ("As Time Goes By", "Dooley Wilson", 1942.0)
    assert ("casablanca-1942", "dooley-wilson-as-time-goes-by") in pairs


def test_the_read_me_counts_what_is_there(starter: Catalogue) -> None:
    text = (MOVIES.parent / "README.md").read_text(encoding="utf-8")
    films = Counter(starter.movies["year"] // 10 * 10)
    songs = Counter(starter.tracks["decade"])
    totals = f"{len(starter.movies)} films, {len(starter.tracks)} songs and {len(starter.soundtracks)} known"
    assert totals in text
    assert re.findall(r"\| (\d{4})s \| (\d+) \| (\d+) \|", text) == [
        (str(decade), str(films[decade]), str(songs[decade])) for decade in DECADES
    ]
    assert f"{len(table(TRACKS)):,} rows" in text
    assert f"{starter.movies['language'].nunique()} original languages" in text
    assert f"{len(set(parts(starter.tracks['genres'])))} genres of music" in text
