"""Whatever the mess, every row of a file is accounted for exactly once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

from indexer.catalogue import AUDIO_FEATURES, MOVIE_COLUMNS, TRACK_COLUMNS, Catalogue, read_catalogue
from indexer.catalogue.soundtracks import kept_track_ids
from indexer.catalogue.tmdb import read_movies

MOVIE_HEADER = (
    "id,title,overview,genres,status,adult,runtime,"
    "release_date,vote_average,vote_count,poster_path,popularity"
)
TRACK_HEADER = ",track_id,artists,track_name,popularity,tempo,valence,year,decade,track_genre,explicit"
PAIR_HEADER = "tmdb_id,track_id"

ids = st.sampled_from(["1", "2", "3", "4.0", "5", "", "a|b", "É", "casablanca-1942"])
words = st.sampled_from(
    ["", " ", "Up", "úp", "UP", "nan", "(no genres listed)", "A;B", "b; a", "a, b", "Drama"]
)
odd = st.sampled_from(
    ["", "0", "1", "-1", "90.5", "1999", "1e999", "nan", "abc", "2001-02-03", "True", "Released"]
)
damage = st.sampled_from([b'"', b"\0", b"\xff", b",", b"\n", b'""', b'"\n"', b"\r", "é".encode()])


@st.composite
def files(draw: st.DrawFn, header: str, columns: list[st.SearchStrategy[str]]) -> bytes:
    """A CSV file of odd cells, with up to six bits of damage dropped into its body."""
    rows = draw(st.lists(st.tuples(*columns), max_size=12))
    quoted = (",".join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows)
    body = "".join(f"{line}\n" for line in quoted).encode()
    for place, hit in draw(st.lists(st.tuples(st.floats(0, 1), damage), max_size=6)):
        at = int(place * len(body))
        body = body[:at] + hit + body[at:]
    return header.encode() + b"\n" + body


movie_files = files(MOVIE_HEADER, [ids, words, words, words, odd, odd, odd, odd, odd, odd, words, odd])
track_files = files(TRACK_HEADER, [words, ids, words, words, odd, odd, odd, odd, odd, words, odd])
pair_files = files(PAIR_HEADER, [ids, ids])

HEALTHY_MOVIE = b"999,Kept,x,Drama,Released,False,90,1999,7,5,/p.jpg,1\n"
HEALTHY_TRACK = b"0,zzz,Ann,Kept,40,120,0.5,1999,1990,folk,True\n"


def read(folder: str, movies: bytes, tracks: bytes, pairs: bytes, preset: str) -> Catalogue:
    paths = [Path(folder) / name for name in ("movies.csv", "tracks.csv", "pairs.csv")]
    for path, content in zip(paths, (movies, tracks, pairs), strict=True):
        path.write_bytes(content)
    return read_catalogue(paths[0], paths[1], paths[2], preset)


@settings(max_examples=60, deadline=None)
@given(movie_files, track_files, pair_files, st.sampled_from(["default", "music2movie"]))
def test_read_is_kept_plus_dropped_plus_merged(
    movies: bytes, tracks: bytes, pairs: bytes, preset: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # A line break ends what the damage left open; healthy rows keep the catalogue from being empty.
        catalogue = read(
            folder, movies + b"\n" + HEALTHY_MOVIE, tracks + b"\n" + HEALTHY_TRACK, pairs, preset
        )
    tables = {"movies": catalogue.movies, "tracks": catalogue.tracks, "soundtracks": catalogue.soundtracks}
    told = json.loads(json.dumps(catalogue.report.to_dict(), allow_nan=False))
    for source, table in tables.items():
        file = told["files"][source]
        by_action = {"drop": 0, "merge": 0, "blank": 0}
        for rule in file["rules"]:
            by_action[rule["action"]] += rule["count"]
            assert len(rule["samples"]) == min(rule["count"], 5)
        assert file["rows_kept"] == len(table)
        assert file["rows_read"] == len(table) + by_action["drop"] + by_action["merge"]
        assert table.index.tolist() == list(range(len(table)))
    assert catalogue.movies["id"].is_unique
    assert catalogue.tracks["id"].is_unique
    assert (list(catalogue.movies), list(catalogue.tracks)) == (list(MOVIE_COLUMNS), list(TRACK_COLUMNS))
    every_id = [
        *catalogue.tracks["id"],
        *(i for cell in catalogue.tracks["other_ids"] for i in cell.split("|") if i),
    ]
    assert len(every_id) == len(set(every_id)) == len(kept_track_ids(catalogue.tracks))
    assert set(catalogue.soundtracks["tmdb_id"]) <= set(catalogue.movies["id"])
    assert set(catalogue.soundtracks["track_id"]) <= set(catalogue.tracks["id"])
    for name, (low, high) in AUDIO_FEATURES.items():
        assert catalogue.tracks[name].dropna().between(low, high).all()
    assert "999" in catalogue.movies["id"].tolist()
    assert "zzz" in catalogue.tracks["id"].tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b'x,"y', b'1,"Foo,x,Drama,Released', b"a,b\0", b"\xff,q", b'7,12",x', b'"', b'"y" z,1']
        )
    )
)
def test_no_damage_takes_a_healthy_row_with_it(damaged: list[bytes]) -> None:
    lines = [MOVIE_HEADER.encode() + b"\n"]
    for at, line in enumerate(damaged):
        lines += [line + b"\n", HEALTHY_MOVIE.replace(b"999", b"%d" % (100 + at))]
    lines.append(HEALTHY_MOVIE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movies.csv"
        path.write_bytes(b"".join(lines))
        table, report = read_movies(path)
    assert table["id"].tolist() == [*(str(100 + at) for at in range(len(damaged))), "999"]
    assert report.rows_read == 2 * len(damaged) + 1
    assert report.total("drop") == len(damaged)
