"""The loop that brings a large file, on lines made of lists."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from indexer.errors import FetchFailed
from indexer.fetching.kaggle import _read_md5
from indexer.fetching.transfer import Line, Patience, Wanted, part_of, place_of, root_of, transfer, try_again

CONTENT = bytes(range(100))


class Host:
    """Each opening takes the next of ``lines``: where it begins, the size told, and chunks, or failures."""

    def __init__(self, *lines) -> None:
        self.lines = list(lines)
        self.asked: list[int] = []

    @contextmanager
    def open(self, start_byte: int):
        self.asked.append(start_byte)
        start, total, *chunks = self.lines.pop(0)

        def send():
            for chunk in chunks:
                if isinstance(chunk, FetchFailed):
                    raise chunk
                yield chunk

        yield Line(start, total, send())


def broken() -> FetchFailed:
    return FetchFailed("connection", "broke off")


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def bring(tmp_path, waits):
    def run(host: Host, **patience) -> bytes:
        part = tmp_path / "part"
        transfer(
            host.open, part, Wanted(1_000), Patience(**{"wait": waits.append, **patience}), lambda *_: None
        )
        return part.read_bytes()

    return run


def test_attempts_are_counted_anew_whenever_something_came(bring, waits):
    cuts = [(at, 100, CONTENT[at : at + 10], broken()) for at in range(0, 90, 10)]
    host = Host(*cuts, (90, 100, CONTENT[90:]))
    assert bring(host, attempts=2) == CONTENT
    assert host.asked == [*range(0, 100, 10)]
    assert len(waits) == 9
    assert max(waits) <= 1.0


def test_attempts_without_a_byte_are_given_up(bring, waits):
    host = Host((0, 100, CONTENT[:10], broken()), *[(10, 100, broken())] * 2)
    with pytest.raises(FetchFailed, match=r"^connection: broke off") as failed:
        bring(host, attempts=3)
    assert failed.value.attempts == 3
    assert host.asked == [0, 10, 10]


def test_pauses_double_up_to_the_longest(bring, waits):
    host = Host(*[(0, 100, broken())] * 6, (0, 100, CONTENT))
    assert bring(host, attempts=7, backoff_s=1.0, backoff_most_s=4.0) == CONTENT
    for wait_s, longest_s in zip(waits, (1, 2, 4, 4, 4, 4), strict=True):
        assert longest_s / 2 <= wait_s <= longest_s


def test_a_file_of_untold_size_ends_where_it_ends(bring):
    assert bring(Host((0, None, CONTENT[:50], CONTENT[50:]))) == CONTENT


def test_a_line_that_ends_too_soon_is_no_end(bring):
    host = Host((0, 100, CONTENT[:60]), (60, 100, CONTENT[60:]))
    assert bring(host) == CONTENT
    assert host.asked == [0, 60]


def test_more_than_was_announced_is_thrown_away(bring):
    host = Host((0, 50, CONTENT), (0, 100, CONTENT))
    assert bring(host) == CONTENT
    assert host.asked == [0, 0]


def test_a_host_that_begins_anew_overwrites(bring):
    host = Host((0, 100, b"x" * 70, broken()), (0, 100, CONTENT))
    assert bring(host) == CONTENT
    assert host.asked == [0, 70]


def test_a_part_that_the_host_does_not_know_is_begun_anew(bring):
    host = Host((0, 100, b"x" * 70, broken()), (70, 100, FetchFailed("range", "")), (0, 100, CONTENT))
    assert bring(host) == CONTENT
    assert host.asked == [0, 70, 0]


def test_an_endless_file_is_cut(bring):
    with pytest.raises(FetchFailed, match=r"^too-large: more than 1000 bytes"):
        bring(Host((0, None, *[CONTENT] * 20)))


def test_other_parts_are_deleted(tmp_path):
    (tmp_path / "old.part").write_bytes(b"old")
    (tmp_path / "tags.csv").write_bytes(b"kept")
    part = part_of(tmp_path, "ml-32m-../../d472")
    assert part == tmp_path / "ml-32m-------d472.part"
    part.write_bytes(b"new")
    assert part_of(tmp_path, "ml-32m-../../d472") == part
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ml-32m-------d472.part", "tags.csv"]


@pytest.mark.parametrize(
    ("status", "headers", "start", "place"),
    [
        (200, {"content-length": "9"}, 0, (0, 9)),
        (200, {}, 0, (0, None)),
        (200, {"content-length": "9"}, 5, (0, 9)),
        (200, {"content-length": "-9"}, 0, (0, None)),
        (206, {"content-range": "bytes 5-8/9", "content-length": "4"}, 5, (5, 9)),
        (416, {"content-range": "bytes */9"}, 9, (9, 9)),
    ],
)
def test_a_reply_tells_where_its_bytes_belong(status, headers, start, place):
    assert place_of(status, headers, start) == place


@pytest.mark.parametrize(
    ("status", "headers", "start", "kind"),
    [
        (206, {"content-range": "bytes 4-8/9"}, 5, "range"),
        (206, {"content-range": "bytes 5-8/*"}, 5, "status-206"),
        (206, {}, 5, "status-206"),
        (416, {"content-range": "bytes */7"}, 9, "range"),
        (416, {}, 9, "range"),
        (416, {"content-range": "bytes */0"}, 0, "status-416"),
        (200, {"content-encoding": "gzip"}, 0, "content-type"),
        (204, {}, 0, "status-204"),
        (500, {}, 0, "status-500"),
    ],
)
def test_a_reply_that_tells_nonsense_is_refused(status, headers, start, kind):
    with pytest.raises(FetchFailed) as failed:
        place_of(status, headers, start)
    assert failed.value.kind == kind


def test_a_question_is_asked_again(waits):
    answers = [broken(), FetchFailed("status-429", "", wait_s=3), "yes"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, FetchFailed):
            raise answer
        return answer

    assert try_again(ask, Patience(wait=waits.append)) == "yes"
    assert waits[1] == 3


def test_the_root_of_an_error_is_told_on_one_line():
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise ValueError("a pool\nof words") from error
    except ValueError as error:
        assert root_of(error) == "Connection refused"
    assert root_of(ValueError("two\nlines\x1b[31m")) == "two lines [31m"
    assert root_of(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("header", "digest"),
    [
        ("crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ==", "3a393d7377617f182829554763015b1d"),
        ("md5=Ojk9c3dhfxgoKVVHYwFbHQ==", "3a393d7377617f182829554763015b1d"),
        ("crc32c=n03x6A==", None),
        ("md5=not base64", None),
        ("", None),
    ],
)
def test_the_store_s_md5_is_read(header, digest):
    assert _read_md5(header) == digest
