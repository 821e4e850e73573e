"""Damage in a CSV file costs the damaged rows only, and each is reported with its row and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from indexer.catalogue.report import FileReport
from indexer.catalogue.tmdb import read_movies
from indexer.errors import UnreadableFile

HEADER = "id,title,overview,genres"


def read_text(tmp_path: Path, text: str | bytes) -> tuple[list[str], FileReport]:
    path = tmp_path / "movies.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    table, report = read_movies(path)
    return table["id"].tolist(), report


def broken(report: FileReport, rule: str = "broken_row") -> list[tuple[int, int | None]]:
    assert report.rules[rule].count == len(report.rules[rule].samples)
    return [(sample.row, sample.line) for sample in report.rules[rule].samples]


def test_real_multi_line_cells_are_kept_whole(tmp_path: Path) -> None:
    text = f'{HEADER}\n1,One,"First line,\n second, with, many, commas\r\nthird",Drama\n2,Two,x,Drama\n'
    path = tmp_path / "movies.csv"
    path.write_bytes(text.encode())
    table, report = read_movies(path)
    assert table["overview"].tolist() == ["First line, second, with, many, commas third", "x"]
    assert report.rows_read == 2
    assert broken(report) == []


def test_prose_of_as_many_commas_as_a_row_is_no_row(tmp_path: Path) -> None:
    ids, report = read_text(tmp_path, f'{HEADER}\n1,One,"Then\nhe, she, it, they\nend",Drama\n')
    assert ids == ["1"]
    assert report.rows_read == 1


def test_too_few_and_too_many_cells_are_reported_by_row_and_line(tmp_path: Path) -> None:
    ids, report = read_text(
        tmp_path, f"{HEADER}\n1,One,x,Drama\n2,Two,x\n\n3,Three,x,Drama\n4,Four,x,Drama,y\n"
    )
    assert ids == ["1", "3"]
    assert broken(report) == [(2, 3), (4, 6)]
    assert report.rules["broken_row"].samples[0].value == "3 cells instead of 4: 2,Two,x"


def test_an_unclosed_quote_does_not_swallow_the_rest_of_the_file(tmp_path: Path) -> None:
    rows = "".join(f"{at},Film {at},x,Drama\n" for at in range(2, 2000))
    ids, report = read_text(tmp_path, f'{HEADER}\n1,"One,x,Drama\n{rows}')
    assert ids == [str(at) for at in range(2, 2000)]
    assert broken(report) == [(1, 2)]


def test_a_lone_quote_that_closes_into_a_valid_looking_record_is_found(tmp_path: Path) -> None:
    # Read naively this is one record of four cells: 1 | One,x,Drama⏎2,Two,x,Drama⏎3,12 | x | Drama
    ids, report = read_text(
        tmp_path, f'{HEADER}\n1,"One,x,Drama\n2,Two,x,Drama\n3,12",x,Drama\n4,Four,x,Drama\n'
    )
    assert ids == ["2", "3", "4"]
    assert broken(report) == [(1, 2)]


def test_a_lone_quote_before_quoted_rows_costs_its_own_row(tmp_path: Path) -> None:
    ids, report = read_text(
        tmp_path, f'{HEADER}\n1,One,"x,Drama\n2,Two,"long, quoted\ntext",Drama\n3,T,x,Drama\n'
    )
    assert ids == ["2", "3"]
    assert broken(report) == [(1, 2)]


def test_text_after_a_closing_quote_is_broken_quoting(tmp_path: Path) -> None:
    ids, report = read_text(tmp_path, f'{HEADER}\n1,"One" more,x,Drama\n2,12" vinyl,x,Drama\n')
    assert ids == ["2"]
    assert broken(report) == [(1, 2)]


def test_a_cell_over_the_size_limit_costs_one_row(tmp_path: Path) -> None:
    ids, report = read_text(tmp_path, f"{HEADER}\n1,One,{'x' * 200_000},Drama\n2,Two,x,Drama\n")
    assert ids == ["2"]
    assert broken(report) == [(1, 2)]


def test_quotes_that_never_end_are_given_up_after_a_bounded_number_of_lines(tmp_path: Path) -> None:
    noise = 'lost,"""\nlost\n' * 600
    ids, report = read_text(tmp_path, f"{HEADER}\n{noise}9,Nine,x,Drama\n")
    assert ids == ["9"]
    assert report.rows_read == 1 + report.rules["broken_row"].count
    assert report.rules["broken_row"].count == 1200


def test_bytes_that_are_no_text_cost_one_row(tmp_path: Path) -> None:
    ids, report = read_text(tmp_path, f"{HEADER}\n1,Caf".encode() + b"\xe9,x,Drama\n2,Caf\xc3\xa9,x,Drama\n")
    assert ids == ["2"]
    assert broken(report, "undecodable_bytes") == [(1, 2)]
    assert report.rules["undecodable_bytes"].samples[0].title == "Caf\\udce9"


def test_nul_bytes_cost_one_row(tmp_path: Path) -> None:
    ids, report = read_text(tmp_path, f"{HEADER}\n1,O\0ne,x,Drama\n2,Two,x,Drama\n")
    assert ids == ["2"]
    assert broken(report, "nul_bytes") == [(1, 2)]


def test_lines_are_counted_as_other_tools_count_them(tmp_path: Path) -> None:
    ids, report = read_text(tmp_path, f'{HEADER}\n1,One,"lone\rreturn",Drama\n2,Two\n')
    assert ids == ["1"]
    assert broken(report) == [(2, 3)]


def test_byte_order_mark_and_gzip_are_read(tmp_path: Path) -> None:
    path = tmp_path / "movies.csv.gz"
    path.write_bytes(gzip.compress(f"\ufeff{HEADER}\r\n1,One,x,Drama\r\n".encode()))
    table, _ = read_movies(path)
    assert table["title"].tolist() == ["One"]


def test_a_cut_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "movies.csv.gz"
    rows = "".join(f"{at},{at * 7919 % 10007},x,Drama\n" for at in range(5000))
    path.write_bytes(gzip.compress(f"{HEADER}\n{rows}".encode())[:-4000])
    with pytest.raises(UnreadableFile, match=r"movies\.csv\.gz: cannot be read"):
        read_movies(path)


def test_utf_16_is_refused_as_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "movies.csv"
    path.write_bytes(f"{HEADER}\n1,One,x,Drama\n".encode("utf-16"))
    with pytest.raises(UnreadableFile, match="not UTF-8"):
        read_movies(path)
