"""A filter's expression passes exactly the rows that its mask passes, on the engine itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.catalogue.records import Medium
from indexer.filter_columns import FilterColumns, Filters
from indexer.milvus.collections import RowWriter, make_schema, name_collection, read_version
from indexer.milvus.engine import MilvusEngine
from indexer.milvus.expressions import write_expression
from indexer.space import MEDIA
from tests.milvus.engines import ENGINES, open_engine

ROWS = 300
GENRES = ["Drama", "Comedy", "Film Noir", 'say "or" 1 == 1', "Épouvante", "back\\slash'"]
PROPERTY = settings(max_examples=60, deadline=None)


def table(medium: Medium) -> pd.DataFrame:
    random = np.random.default_rng(7)

    def numbers(low: float, high: float) -> Any:
        values = np.round(random.uniform(low, high, ROWS), 2)
        return np.where(random.random(ROWS) < 0.2, np.nan, values)

    cells = ["|".join(random.choice(GENRES, random.integers(0, 4), replace=False)) for _ in range(ROWS)]
    years = np.where(random.random(ROWS) < 0.2, np.nan, random.integers(1950, 1990, ROWS))
    columns: dict[str, Any] = {"genres": cells, "year": years, "popularity": numbers(0, 100)}
    if medium == "movies":
        columns |= {"language": random.choice(["en", "fr", "", "日本"], ROWS)}
        columns |= {"rating": numbers(0, 10), "votes": numbers(0, 9_000), "runtime_min": numbers(-5, 200)}
        columns["rating"][:2] = [np.inf, -np.inf]
    else:
        columns |= {
            "decade": np.where(random.random(ROWS) < 0.5, np.nan, random.integers(195, 199, ROWS) * 10)
        }
        columns |= {"explicit": random.choice([0.0, 1.0, np.nan], ROWS)}
        columns |= {"tempo": numbers(60, 200), "energy": numbers(0, 1), "valence": numbers(0, 1)}
    return pd.DataFrame(columns)


COLUMNS = {medium: FilterColumns.from_table(medium, table(medium)) for medium in MEDIA}


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MilvusEngine]:
    with open_engine(request, tmp_path_factory.mktemp("milvus"), "expressions") as opened:
        for medium, columns in COLUMNS.items():
            name = f"expressions_{medium}"
            params = opened.connection.call("prepare_index_params")
            params.add_index("vector", index_type="FLAT", metric_type="IP")
            schema = make_schema(columns, 2, "")
            opened.connection.call("create_collection", name, schema=schema, index_params=params)
            rows = RowWriter(columns).write(0, np.ones((ROWS, 2), np.float32))
            opened.connection.call("upsert", name, rows)
            opened.connection.call("flush", name, timeout_s=60.0)
            opened.connection.call("load_collection", name, timeout_s=60.0)
        yield opened


def passing(engine: MilvusEngine, medium: Medium, filters: Filters) -> list[int]:
    found = engine.connection.call(
        "query",
        f"expressions_{medium}",
        filter=write_expression(COLUMNS[medium].conditions(filters)),
        output_fields=["row"],
        limit=ROWS,
        consistency_level="Strong",
    )
    return sorted(entity["row"] for entity in found)


def limits(low: float, high: float) -> st.SearchStrategy[float | None]:
    near = st.floats(low - 1, high + 1).map(lambda value: round(value, 2))
    return st.none() | near | st.floats(-1e300, 1e300) | st.integers(-(10**30), 10**30)


YEARS = st.none() | st.integers(1945, 1995) | st.floats(1945, 1995) | st.integers(-(10**30), 10**30)
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "genres": st.lists(st.sampled_from([*GENRES, "dRAMA"]), max_size=3).map(tuple),
    "year_min": YEARS,
    "year_max": YEARS,
    "popularity_min": limits(0, 100),
}
FILM = st.builds(
    Filters,
    **SHARED,
    language=st.lists(st.sampled_from(["en", "FR", "日本"]), max_size=2).map(tuple),
    rating_min=limits(0, 10),
    votes_min=limits(0, 9_000),
    runtime_min=limits(-5, 200),
    runtime_max=limits(-5, 200),
)
SONG = st.builds(
    Filters,
    **SHARED,
    explicit=st.none() | st.booleans(),
    tempo_min=limits(60, 200),
    tempo_max=limits(60, 200),
    energy_min=limits(0, 1),
    energy_max=limits(0, 1),
    valence_min=limits(0, 1),
    valence_max=limits(0, 1),
)


def makes_sense(filters: Filters) -> bool:
    pairs = (("year_min", "year_max"), ("runtime_min", "runtime_max"), ("tempo_min", "tempo_max"))
    pairs += (("energy_min", "energy_max"), ("valence_min", "valence_max"))
    values = ((getattr(filters, low), getattr(filters, high)) for low, high in pairs)
    return filters != Filters() and all(low is None or high is None or low <= high for low, high in values)


@PROPERTY
@given(st.data())
@pytest.mark.parametrize("medium", MEDIA)
def test_an_expression_passes_the_rows_of_the_mask(engine: MilvusEngine, medium: Medium, data: Any) -> None:
    filters = data.draw((FILM if medium == "movies" else SONG).filter(makes_sense))
    mask = COLUMNS[medium].mask(filters)
    assert mask is not None
    assert passing(engine, medium, filters) == np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("medium", "filters"),
    [
        ("movies", Filters(genres=('say "or" 1 == 1',))),
        ("movies", Filters(genres=("back\\slash'",), language=("日本",))),
        ("movies", Filters(runtime_max=90)),
        ("movies", Filters(rating_min=-1e300)),
        ("movies", Filters(year_max=1960)),
        ("tracks", Filters(year_min=1960, year_max=1969)),
        ("tracks", Filters(explicit=False)),
        ("tracks", Filters(valence_max=0.25, energy_min=0.5)),
    ],
)
def test_single_filters_pass_some_rows_and_no_unknown_ones(
    engine: MilvusEngine, medium: Medium, filters: Filters
) -> None:
    mask = COLUMNS[medium].mask(filters)
    assert mask is not None
    assert 0 < mask.sum() < ROWS
    assert passing(engine, medium, filters) == np.flatnonzero(mask).tolist()


def test_no_word_of_the_query_enters_an_expression() -> None:
    written = write_expression(
        COLUMNS["movies"].conditions(Filters(genres=tuple(GENRES), language=("日本",)))
    )
    assert written == "array_contains_any(genres, [0, 1, 2, 3, 4, 5]) and language in [2]"


def test_an_upper_limit_leaves_out_what_is_unknown() -> None:
    written = write_expression(COLUMNS["movies"].conditions(Filters(runtime_max=90, year_max=1960)))
    assert written == "last_year <= 1960 and runtime_min >= -1.5e+308 and runtime_min <= 90.0"


@pytest.mark.parametrize(
    "version", ["20261121T114749Z", "20261121T114749Z-2", "a_b", "a b", "é", "_2d", "x_movies"]
)
def test_a_version_is_read_back_from_the_names_of_its_collections(version: str) -> None:
    names = [name_collection("segue", version, medium) for medium in MEDIA]
    assert [read_version("segue", name) for name in names] == [version, version]
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)


def test_names_of_others_are_no_versions() -> None:
    names = [
        "segue",
        "segue_movies",
        "other_v_movies",
        "segue_v_shows",
        "segue_a-b_movies",
        "segue_x_zz_movies",
    ]
    assert [read_version("segue", name) for name in names] == [None] * 6
