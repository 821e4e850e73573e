"""Filter columns against a plain-Python reading of the same rules."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import MOVIE_COLUMNS, SEPARATOR, TRACK_COLUMNS, Medium
from indexer.errors import BadFilter, VersionDamaged, VersionFormat
from indexer.filter_columns import KEPT_MASKS, FilterColumns, Filters

Row = dict[str, Any]
MEDIA: tuple[Medium, ...] = ("movies", "tracks")


def table_of(medium: Medium, rows: list[Row]) -> pd.DataFrame:
    """A catalogue table of rows given as records would be: tuples, None for unknown."""
    kinds = MOVIE_COLUMNS if medium == "movies" else TRACK_COLUMNS
    columns: dict[str, Any] = {}
    for name, kind in kinds.items():
        cells = [row.get(name) for row in rows]
        if kind == "many":
            columns[name] = pd.Series([SEPARATOR.join(cell or ()) for cell in cells], dtype="str")
        elif kind == "text":
            columns[name] = pd.Series([pd.NA if cell is None else cell for cell in cells], dtype="str")
        else:
            columns[name] = pd.Series(
                [np.nan if cell is None else float(cell) for cell in cells], dtype="float64"
            )
    return pd.DataFrame(columns)


def columns_of(medium: Medium, rows: list[Row]) -> FilterColumns:
    return FilterColumns.from_table(medium, table_of(medium, rows))


def passing(columns: FilterColumns, **filters: Any) -> list[int]:
    mask = columns.mask(Filters(**filters))
    assert mask is not None
    assert (mask.dtype, mask.shape) == (np.bool_, (columns.size,))
    return np.flatnonzero(mask).tolist()


def brute_force(row: Row, filters: Filters) -> bool:
    """The documented rules, one row and one filter at a time."""
    for field in fields(filters):
        name, wanted = field.name, getattr(filters, field.name)
        if wanted is None or wanted == ():
            continue
        if name == "genres":
            have = {genre.lower() for genre in row.get("genres") or ()}
            ok = any(genre.lower() in have for genre in wanted)
        elif name == "language":
            ok = row.get("language") in wanted
        elif name == "explicit":
            ok = row.get("explicit") is wanted
        elif name in ("year_min", "year_max"):
            year, decade = row.get("year"), row.get("decade")
            years = [year] if year is not None else range(decade, decade + 10) if decade is not None else []
            ok = bool(years) and all(y >= wanted if name == "year_min" else y <= wanted for y in years)
        else:
            column, _, end = name.rpartition("_")
            value = row.get("runtime_min" if column == "runtime" else column)
            ok = value is not None and (value >= wanted if end == "min" else value <= wanted)
        if not ok:
            return False
    return True


FILMS: list[Row] = [
    {"genres": ("Action", "Science Fiction"), "year": 1999, "language": "en", "rating": 8.2, "votes": 24000,
     "popularity": 80.5, "runtime_min": 136},
    {"genres": ("Drama",), "year": 1942, "language": "fr", "rating": 7.2, "votes": 10, "popularity": 0.5,
     "runtime_min": 90},
    {"genres": ("Action", "Drama"), "year": 2004, "language": "en", "runtime_min": 100},
    {"genres": ()},
]  # fmt: skip
SONGS: list[Row] = [
    {"genres": ("rock",), "year": 1985, "decade": 1980, "explicit": False, "tempo": 120.0, "energy": 0.9,
     "valence": 0.3, "popularity": 50},
    {"genres": ("Rock", "pop"), "decade": 1980, "explicit": True, "tempo": 90.5, "energy": 0.1,
     "valence": 0.8},
    {"genres": (), "popularity": 0},
]  # fmt: skip


# --- filters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"genres": ("action",)}, [0, 2]),
        ({"genres": ("SCIENCE fiction", " drama ")}, [0, 1, 2]),
        ({"genres": ("Action", "Action")}, [0, 2]),
        ({"language": ("en",)}, [0, 2]),
        ({"language": ("EN", "fr")}, [0, 1, 2]),
        ({"year_min": 1999}, [0, 2]),
        ({"year_max": 1999}, [0, 1]),
        ({"year_min": 1999, "year_max": 1999}, [0]),
        ({"rating_min": 7.2}, [0, 1]),
        ({"rating_min": 7.2000001}, [0]),
        ({"votes_min": 0}, [0, 1]),
        ({"popularity_min": 0.5}, [0, 1]),
        ({"runtime_min": 100}, [0, 2]),
        ({"runtime_max": 100}, [1, 2]),
        ({"runtime_min": 95, "runtime_max": 110}, [2]),
        ({"genres": ("Action",), "language": ("en",), "rating_min": 8.0}, [0]),
        ({"genres": ("Drama",), "year_min": 2010}, []),
    ],
)
def test_films(filters: dict[str, Any], rows: list[int]) -> None:
    assert passing(columns_of("movies", FILMS), **filters) == rows


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"genres": ("rock",)}, [0, 1]),
        ({"genres": ("pop",)}, [1]),
        ({"explicit": True}, [1]),
        ({"explicit": False}, [0]),
        ({"tempo_min": 100.0}, [0]),
        ({"tempo_max": 90.5}, [1]),
        ({"energy_min": 0.0, "energy_max": 1.0}, [0, 1]),
        ({"valence_min": 0.3, "valence_max": 0.3}, [0]),
        ({"popularity_min": 0}, [0, 2]),
    ],
)
def test_songs(filters: dict[str, Any], rows: list[int]) -> None:
    assert passing(columns_of("tracks", SONGS), **filters) == rows


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"year_min": 1980, "year_max": 1989}, [0, 1]),
        ({"year_min": 1981}, [0]),
        ({"year_max": 1988}, [0]),
        ({"year_min": 1980}, [0, 1]),
        ({"year_max": 1989}, [0, 1]),
        ({"year_min": 1986}, []),
    ],
)
def test_a_song_known_by_its_decade_passes_where_the_whole_decade_does(
    filters: dict[str, Any], rows: list[int]
) -> None:
    assert passing(columns_of("tracks", SONGS), **filters) == rows


def test_nothing_asked_is_no_mask() -> None:
    assert columns_of("movies", FILMS).mask(Filters()) is None
    assert columns_of("tracks", SONGS).mask(Filters(genres=(), explicit=None)) is None


@st.composite
def films_or_songs(draw: st.DrawFn) -> tuple[Medium, list[Row], Filters]:
    medium = draw(st.sampled_from(MEDIA))
    genres = ("Action", "drama", "Sci-Fi")

    def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.none() | values

    # Few values, so that limits often fall on them; 7.2 and 0.1 have no exact binary form.
    number, year = st.sampled_from([0, 0.1, 7.2, 90, 120.5]), st.sampled_from([1979, 1980, 1985, 1989, 1990])
    cells = {"genres": st.lists(st.sampled_from(genres), unique=True).map(tuple), "year": maybe(year)}
    cells["popularity"] = maybe(number)
    if medium == "movies":
        cells["language"] = maybe(st.sampled_from(["en", "fr"]))
        cells |= {name: maybe(number) for name in ("rating", "votes", "runtime_min")}
        names = ["rating_min", "votes_min", "runtime_min", "runtime_max"]
    else:
        cells |= {"decade": maybe(st.sampled_from([1970, 1980])), "explicit": maybe(st.booleans())}
        cells |= {name: maybe(number) for name in ("tempo", "energy", "valence")}
        names = [f"{name}_{end}" for name in ("tempo", "energy", "valence") for end in ("min", "max")]
    rows = draw(st.lists(st.fixed_dictionaries(cells), max_size=12))
    known = sorted({genre for row in rows for genre in row["genres"]})
    spoken = sorted({row["language"] for row in rows if row.get("language")}) if medium == "movies" else []
    asked: dict[str, Any] = {name: draw(maybe(number)) for name in [*names, "popularity_min"]}
    asked |= {"year_min": draw(maybe(year)), "year_max": draw(maybe(year))}
    for low in [name for name in asked if name.endswith("_min")]:
        high = low.removesuffix("min") + "max"
        if asked[low] is not None and asked.get(high) is not None:
            asked[low], asked[high] = sorted((asked[low], asked[high]))
    if known:
        asked["genres"] = tuple(draw(st.lists(st.sampled_from(known).map(str.upper), max_size=2)))
    if spoken:
        asked["language"] = tuple(draw(st.lists(st.sampled_from(spoken), max_size=2)))
    if medium == "tracks":
        asked["explicit"] = draw(maybe(st.booleans()))
    return medium, rows, Filters(**asked)


@settings(max_examples=300, deadline=None)
@given(films_or_songs())
def test_the_mask_is_what_the_rules_say(case: tuple[Medium, list[Row], Filters]) -> None:
    medium, rows, filters = case
    mask = columns_of(medium, rows).mask(filters)
    if mask is None:
        assert filters == Filters()
    else:
        assert mask.tolist() == [brute_force(row, filters) for row in rows]


# --- filters that make no sense ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("medium", "filters", "field", "message"),
    [
        ("movies", {"tempo_min": 90.0}, "tempo_min", "tempo_min does not apply to films"),
        ("movies", {"explicit": False}, "explicit", "explicit does not apply to films"),
        ("movies", {"energy_max": 0.5}, "energy_max", "does not apply"),
        ("movies", {"valence_min": 0.0}, "valence_min", "does not apply"),
        ("tracks", {"rating_min": 5.0}, "rating_min", "rating_min does not apply to songs"),
        ("tracks", {"votes_min": 5}, "votes_min", "does not apply"),
        ("tracks", {"runtime_max": 5.0}, "runtime_max", "does not apply"),
        ("tracks", {"language": ("en",)}, "language", "does not apply"),
        ("movies", {"year_min": 2000, "year_max": 1999}, "year_min", "year_min 2000 is above year_max 1999"),
        ("movies", {"runtime_min": 2.5, "runtime_max": 2}, "runtime_min", "2.5 is above runtime_max 2"),
        ("tracks", {"tempo_min": 2, "tempo_max": 1}, "tempo_min", "above"),
        ("movies", {"rating_min": float("nan")}, "rating_min", "rating_min must be a finite number"),
        ("movies", {"votes_min": float("inf")}, "votes_min", "finite"),
        ("tracks", {"tempo_max": float("-inf")}, "tempo_max", "finite"),
        ("tracks", {"year_max": 10**400}, "year_max", "finite"),
        ("tracks", {"year_max": True}, "year_max", "finite number"),
        ("tracks", {"energy_min": "0.5"}, "energy_min", "finite number"),
        ("tracks", {"explicit": 1}, "explicit", "explicit must be true or false"),
        ("tracks", {"genres": "rock"}, "genres", "genres must be a list of names"),
        ("movies", {"language": ("en", 3)}, "language", "language must be a list of names"),
        ("movies", {"genres": ("Acton",)}, "genres", "unknown genre 'Acton'; did you mean Action?"),
        ("movies", {"genres": ("Drama", "sciencefiction")}, "genres", "did you mean Science Fiction"),
        ("movies", {"genres": ("qqqq",)}, "genres", "there are 3, such as Action, Drama, Science Fiction"),
        ("movies", {"genres": ("",)}, "genres", "unknown genre ''"),
        ("movies", {"language": ("eng",)}, "language", "unknown language 'eng'; did you mean en?"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(
    medium: Medium, filters: dict[str, Any], field: str, message: str
) -> None:
    columns = columns_of(medium, FILMS if medium == "movies" else SONGS)
    with pytest.raises(BadFilter) as caught:
        columns.mask(Filters(**filters))
    assert caught.value.field == f"filters.{field}"
    assert message in str(caught.value)


def test_a_long_unknown_name_is_cut_in_the_message() -> None:
    with pytest.raises(BadFilter) as caught:
        columns_of("movies", FILMS).mask(Filters(genres=("x" * 100_000,)))
    assert len(str(caught.value)) < 200


def test_limits_beyond_all_values_are_no_error() -> None:
    columns = columns_of("tracks", SONGS)
    assert passing(columns, year_min=-(10**12), year_max=10**12) == [0, 1]
    assert passing(columns, year_min=10**12) == []
    assert passing(columns, tempo_min=10**200) == []


# --- names and counts -------------------------------------------------------------------------------------


def test_names_are_sorted_and_case_makes_no_second_one() -> None:
    columns = columns_of("tracks", SONGS)
    assert columns.genres == ("pop", "rock")
    assert columns.languages == ()
    assert columns_of("movies", FILMS).languages == ("en", "fr")


def test_a_genre_given_twice_to_a_song_counts_once() -> None:
    columns = columns_of("tracks", [{"genres": ("Rock", "rock", " rock ")}])
    assert columns.genres == ("Rock",)
    assert list(columns.facets().genres.values()) == [1]


def test_facets_count_rows() -> None:
    films = columns_of("movies", FILMS).facets()
    assert list(films.genres.items()) == [("Action", 2), ("Drama", 2), ("Science Fiction", 1)]
    assert films.decades == {1990: 1, 1940: 1, 2000: 1}
    assert list(films.languages.items()) == [("en", 2), ("fr", 1)]
    songs = columns_of("tracks", SONGS).facets()
    assert list(songs.genres.items()) == [("rock", 2), ("pop", 1)]
    assert (songs.decades, songs.languages) == ({1980: 2}, {})


def test_facets_of_a_mask_leave_out_what_it_leaves_out() -> None:
    columns = columns_of("movies", FILMS)
    facets = columns.facets(columns.mask(Filters(genres=("Drama",))))
    assert facets.genres == {"Drama": 2, "Action": 1}
    assert facets.decades == {1940: 1, 2000: 1}
    assert facets.languages == {"fr": 1, "en": 1}
    empty = columns.facets(np.zeros(4, np.bool_))
    assert (empty.genres, empty.decades, empty.languages) == ({}, {}, {})


@settings(max_examples=100, deadline=None)
@given(films_or_songs())
def test_facets_equal_counting_by_hand(case: tuple[Medium, list[Row], Filters]) -> None:
    medium, rows, filters = case
    columns = columns_of(medium, rows)
    kept = [row for row in rows if brute_force(row, filters)]
    genres: dict[str, int] = {}
    decades: dict[int, int] = {}
    for row in kept:
        for genre in row["genres"]:
            genres[genre] = genres.get(genre, 0) + 1
        year = row["year"] if row["year"] is not None else row.get("decade")
        if year is not None:
            decades[year // 10 * 10] = decades.get(year // 10 * 10, 0) + 1
    facets = columns.facets(columns.mask(filters))
    assert (facets.genres, facets.decades) == (genres, decades)


# --- on disk ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_opened_columns_answer_the_same(medium: Medium, count: int, tmp_path: Path) -> None:
    rows = (FILMS if medium == "movies" else SONGS)[:count]
    written = columns_of(medium, rows)
    written.write(tmp_path / "filters")
    opened = FilterColumns.open(tmp_path / "filters", medium)
    assert (opened.medium, opened.size) == (medium, count)
    assert (opened.genres, opened.languages) == (written.genres, written.languages)
    assert opened.facets() == written.facets()
    for filters in ({"year_min": 1980}, {"popularity_min": 0.5}, {"genres": opened.genres}):
        if filters.get("genres") != ():
            assert passing(opened, **filters) == passing(written, **filters)


@pytest.mark.parametrize("medium", MEDIA)
def test_equal_tables_give_equal_bytes(medium: Medium, tmp_path: Path) -> None:
    rows = FILMS if medium == "movies" else SONGS
    for name in ("a", "b"):
        columns_of(medium, rows).write(tmp_path / name)
    FilterColumns.open(tmp_path / "a", medium).write(tmp_path / "c")
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    for name in ("b", "c"):
        assert {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} == first


@pytest.mark.parametrize("medium", MEDIA)
def test_a_missing_or_truncated_file_is_damaged(medium: Medium, tmp_path: Path) -> None:
    columns_of(medium, FILMS if medium == "movies" else SONGS).write(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for length in (0, 5, 40, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:length])
            with pytest.raises(VersionDamaged, match=f"filter columns of {medium} cannot be read"):
                FilterColumns.open(tmp_path, medium)
        path.unlink()
        with pytest.raises(VersionDamaged, match=path.name):
            FilterColumns.open(tmp_path, medium)
        path.write_bytes(whole)
    assert FilterColumns.open(tmp_path, medium).size == len(FILMS if medium == "movies" else SONGS)


def test_files_that_do_not_belong_together_are_damaged(tmp_path: Path) -> None:
    columns_of("movies", FILMS).write(tmp_path)
    np.save(tmp_path / "rating.npy", np.zeros(3))
    with pytest.raises(VersionDamaged, match=r"rating\.npy of movies holds float64 \(3,\)"):
        FilterColumns.open(tmp_path, "movies")
    np.save(tmp_path / "rating.npy", np.zeros(4, np.float32))
    with pytest.raises(VersionDamaged, match=r"rating\.npy of movies holds float32 \(4,\)"):
        FilterColumns.open(tmp_path, "movies")
    np.save(tmp_path / "rating.npy", np.array([{}] * 4, dtype=object), allow_pickle=True)
    with pytest.raises(VersionDamaged, match="cannot be read"):
        FilterColumns.open(tmp_path, "movies")


def test_another_medium_or_format_is_refused(tmp_path: Path) -> None:
    columns_of("movies", FILMS).write(tmp_path)
    with pytest.raises(VersionDamaged):
        FilterColumns.open(tmp_path, "tracks")
    description = tmp_path / "columns.json"
    kept = cast(dict[str, Any], json.loads(description.read_text("utf-8")))
    description.write_text(json.dumps({**kept, "medium": "tracks"}), "utf-8")
    with pytest.raises(VersionDamaged, match="are those of tracks, not of movies"):
        FilterColumns.open(tmp_path, "movies")
    description.write_text(json.dumps({**kept, "format": 2}), "utf-8")
    with pytest.raises(VersionFormat, match="format 2, not 1"):
        FilterColumns.open(tmp_path, "movies")
    for broken in ("[]", "{}", "nonsense"):
        description.write_text(broken, "utf-8")
        with pytest.raises(VersionDamaged, match="cannot be read"):
            FilterColumns.open(tmp_path, "movies")


# --- masks in memory --------------------------------------------------------------------------------------


def test_equal_filters_share_a_mask_that_cannot_be_written_to() -> None:
    columns = columns_of("movies", FILMS)
    mask = columns.mask(Filters(genres=("drama",), year_min=1940))
    assert mask is not None
    assert columns.mask(Filters(genres=("drama",), year_min=1940)) is mask
    assert columns.mask(Filters(genres=["drama"], year_min=1940)) is mask  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = True
    assert columns.mask(Filters()) is None


def test_masks_in_memory_are_bounded_and_the_last_used_stay() -> None:
    columns = columns_of("movies", FILMS)
    first = columns.mask(Filters(year_min=0))
    second = columns.mask(Filters(year_min=1))
    for year in range(2, KEPT_MASKS + 1):
        assert columns.mask(Filters(year_min=0)) is first
        columns.mask(Filters(year_min=year))
    assert columns.mask(Filters(year_min=0)) is first
    assert columns.mask(Filters(year_min=1)) is not second


def test_what_is_in_memory_excuses_no_value_of_another_type() -> None:
    columns = columns_of("movies", FILMS)
    assert columns.mask(Filters(rating_min=1)) is not None
    with pytest.raises(BadFilter, match="rating_min must be a finite number"):
        columns.mask(Filters(rating_min=True))
