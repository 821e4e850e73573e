"""Pictures from a hostile host: each bad one is a line in the log, and the rest arrive."""

from __future__ import annotations

import csv
import errno
import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from stand_in_host import QUICK, close_at_once, drip, head, make_picture, policy_for, reply

from indexer.errors import FetchFailed, UnreadableFile
from indexer.fetching import pictures
from indexer.fetching.download import Downloader
from indexer.fetching.failure_log import FailureLog
from indexer.fetching.picture_check import check_picture
from indexer.fetching.pictures import MOST_BYTES, Wanted, fetch_pictures, list_present

JPEG, PNG = make_picture(1), make_picture(2, format="PNG")


def claim_size(picture: bytes, width: int, height: int) -> bytes:
    """The same picture with another size in its header."""
    if picture.startswith(b"\x89PNG"):
        header = b"IHDR" + struct.pack(">II", width, height) + picture[24:29]
        return picture[:12] + header + struct.pack(">I", zlib.crc32(header)) + picture[33:]
    at = picture.index(b"\xff\xc0") + 5
    return picture[:at] + struct.pack(">HH", height, width) + picture[at + 4 :]


def log_of(folder: Path) -> list[list[str]]:
    with (folder / "failures.csv").open(newline="") as file:
        return list(csv.reader(file))


def wanted_from(stand_in, *ids: str) -> list[Wanted]:
    return [Wanted(id, f"{stand_in.origin}/{id}") for id in ids]


def progressive(number: int = 0) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((80, 80), 50).convert("RGB").save(file, "JPEG", progressive=True, quality=90)
    return file.getvalue()


def test_whole_pictures_are_told_by_their_bytes():
    assert [check_picture(body) for body in (JPEG, PNG, progressive())] == [".jpg", ".png", ".jpg"]


def test_forty_megapixels_are_taken_and_one_row_more_is_not():
    assert check_picture(claim_size(JPEG, 8000, 5000)) == ".jpg"
    for picture in (JPEG, PNG):
        for width, height in ((8000, 5001), (65000, 65000)):
            with pytest.raises(FetchFailed) as raised:
                check_picture(claim_size(picture, width, height))
            assert str(raised.value) == f"too-many-pixels: {width} x {height}, at most 40,000,000 in all"
            assert raised.value.is_final


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "not-a-picture"),
        (b"<!DOCTYPE html><html>", "not-a-picture"),
        (b"GIF89a" + b"\0" * 100, "not-a-picture"),
        (b"\xff\xd8\xff" + b"\0" * 100, "not-a-picture"),
        (JPEG[:20], "not-a-picture"),
        (JPEG[:-10], "truncated"),
        (progressive()[:-200], "truncated"),
        (PNG[:40], "not-a-picture"),
        (PNG[:-12], "not-a-picture"),
        (PNG[:-20] + b"\0" + PNG[-19:], "not-a-picture"),
        (b"\x89PNG\r\n\x1a\n", "not-a-picture"),
        (JPEG[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 101 + JPEG[-2:], "not-a-picture"),
    ],
)
def test_anything_else_is_refused(body, kind):
    with pytest.raises(FetchFailed) as raised:
        check_picture(body)
    assert raised.value.kind == kind


def test_every_hostile_host_is_a_line_in_the_log_and_the_run_goes_on(stand_in, tmp_path):
    jpeg_head = head(Content_Type="image/jpeg", Content_Length="900")
    stand_in.routes = {
        "/good": reply(JPEG),
        "/png": reply(PNG, content_type="image/png"),
        "/lies": reply(PNG),
        "/late": [reply(b"", 500), reply(JPEG)],
        "/bomb": reply(claim_size(JPEG, 20000, 20000)),
        "/linklocal": reply(b"", 302, Location="http://169.254.169.254/latest/meta-data/"),
        "/linklocal6": reply(b"", 302, Location="http://[fe80::1]/"),
        "/slow": drip(jpeg_head, b"x" * 900),
        "/html": reply(b"<html>", content_type="text/html; charset=utf-8"),
        "/disguised": reply(b"<!DOCTYPE html>"),
        "/longer": reply(JPEG, Content_Length="200"),
        "/truncated": lambda _: iter([head(Content_Type="image/jpeg", Content_Length="9000") + JPEG]),
        "/half": reply(JPEG[:-30]),
        "/large": lambda _: head(Content_Type="image/jpeg", Content_Length=str(MOST_BYTES + 1)),
        "/forbidden": reply(b"", 403),
        "/busy": reply(b"", 429, Retry_After="0"),
        "/broken": reply(b"", 500),
        "/closed": close_at_once,
    }
    paths = [path.removeprefix("/") for path in stand_in.routes]
    wanted = [*wanted_from(stand_in, *paths, "missing"), Wanted("../up", f"{stand_in.origin}/good")]
    wanted += [Wanted("a/b", f"{stand_in.origin}/good"), Wanted(".hidden", f"{stand_in.origin}/good")]
    wanted += [Wanted("elsewhere", "https://evil.example/a.jpg"), Wanted("", f"{stand_in.origin}/good")]
    limits = QUICK.__class__(attempts=2, whole_s=1.0, read_s=60, backoff_s=0.0)
    seen = []
    folder = tmp_path / "deep" / "posters"
    with Downloader(policy_for(stand_in.origin), limits) as downloader:
        tally = fetch_pictures(wanted, folder, downloader, 4, advance=lambda tally: seen.append(tally.failed))
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "failures.csv"}
    assert files == {"good.jpg": JPEG, "png.png": PNG, "lies.png": PNG, "late.jpg": JPEG}
    log = log_of(folder)
    assert log[0] == ["id", "url", "reason", "attempts"]
    assert {row[0]: (row[2], row[3]) for row in log[1:]} == {
        "bomb": ("final too-many-pixels: 20000 x 20000, at most 40,000,000 in all", "1"),
        "linklocal": (
            "final refused: redirected: http://169.254.169.254 is not among the hosts that may be asked",
            "1",
        ),
        "linklocal6": (
            "final refused: redirected: http://[fe80::1] is not among the hosts that may be asked",
            "1",
        ),
        "slow": ("timeout: not whole after 1 s", "2"),
        "html": ("final content-type: text/html is not what was asked for", "1"),
        "disguised": ("final not-a-picture: begins with b'<!DOCTYPE ht'", "1"),
        "longer": ("not-a-picture: a damaged picture (Truncated File Read)", "1"),
        "truncated": ("truncated: the connection ended before the body did", "2"),
        "half": ("truncated: the picture ends before its end", "1"),
        "large": (f"final too-large: {MOST_BYTES + 1} bytes announced, at most {MOST_BYTES}", "1"),
        "forbidden": ("final status-403: the host answered 403", "1"),
        "missing": ("final status-404: the host answered 404", "1"),
        "busy": ("status-429: the host answered 429, asks to wait 0 s", "2"),
        "broken": ("status-500: the host answered 500", "2"),
        "closed": ("connection: Remote end closed connection without response", "2"),
        "../up": ("final bad-id: the id cannot be a file's name", "0"),
        "a/b": ("final bad-id: the id cannot be a file's name", "0"),
        ".hidden": ("final bad-id: the id cannot be a file's name", "0"),
        "": ("final bad-id: the id cannot be a file's name", "0"),
        "elsewhere": ("final refused: https://evil.example is not among the hosts that may be asked", "1"),
    }
    assert {row[0]: row[1] for row in log[1:]}["bomb"] == f"{stand_in.origin}/bomb"
    assert (tally.wanted, tally.fetched, tally.failed) == (24, 4, 20)
    assert tally.size_bytes == 2 * len(JPEG) + 2 * len(PNG)
    assert seen[-1] == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]


def test_the_next_run_asks_for_nothing_that_is_there_or_hopeless(stand_in, tmp_path):
    stand_in.routes = {
        "/a": reply(JPEG),
        "/b": [reply(b"", 500), reply(b"", 500), reply(b"", 500), reply(PNG)],
    }
    wanted = [*wanted_from(stand_in, "a", "b", "gone", "a"), Wanted("9", "", other_names=("tt9",))]
    (tmp_path / "tt9.jpg").write_bytes(JPEG)
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / ".c.part").write_bytes(b"left over")
    for attempt in range(2):
        with Downloader(policy_for(stand_in.origin), QUICK) as downloader:
            tally = fetch_pictures(wanted, tmp_path, downloader, 2)
        done = (tally.wanted, tally.fetched, tally.present, tally.skipped, tally.failed)
        assert done == ((4, 1, 1, 0, 2) if attempt == 0 else (4, 1, 2, 1, 0))
    assert stand_in.asked == {"/a": 1, "/b": 4, "/gone": 1}
    assert not (tmp_path / ".c.part").exists()
    assert [row[0] for row in log_of(tmp_path)] == ["id", "gone"]
    stand_in.routes["/gone"] = reply(JPEG)
    with Downloader(policy_for(stand_in.origin), QUICK) as downloader:
        assert fetch_pictures(wanted, tmp_path, downloader, 2, retry_failed=True).fetched == 1
    assert log_of(tmp_path) == [["id", "url", "reason", "attempts"]]
    assert stand_in.asked == {"/a": 1, "/b": 4, "/gone": 2}


def test_an_interrupted_run_is_resumed_without_fetching_anything_twice(stand_in, tmp_path):
    ids = [f"p{number}" for number in range(40)]
    stand_in.routes = {f"/{id}": reply(make_picture(number)) for number, id in enumerate(ids)}

    def interrupt(tally):
        if tally.fetched == 15:
            raise KeyboardInterrupt

    downloader = Downloader(policy_for(stand_in.origin), QUICK)
    with downloader, pytest.raises(KeyboardInterrupt):
        fetch_pictures(wanted_from(stand_in, *ids), tmp_path, downloader, 4, advance=interrupt)
    first = list_present(tmp_path)
    assert 15 <= len(first) < 40
    assert not list(tmp_path.glob(".*"))
    before = dict(stand_in.asked)
    with Downloader(policy_for(stand_in.origin), QUICK) as downloader:
        fetch_pictures(wanted_from(stand_in, *ids), tmp_path, downloader, 4)
    assert {id: (tmp_path / f"{id}.jpg").read_bytes() for id in ids} == {
        id: make_picture(number) for number, id in enumerate(ids)
    }
    assert {id: stand_in.asked[f"/{id}"] for id in first} == {id: before[f"/{id}"] for id in first}
    assert all(stand_in.asked[f"/{id}"] == 1 for id in first)


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_is_resumed_without_fetching_anything_twice(stand_in, tmp_path, deadly):
    ids = [f"p{number}" for number in range(60)]
    folder = tmp_path / "posters"
    # The last of them never end, so the run is still under way when it is killed.
    stand_in.routes = {f"/{id}": reply(make_picture(number)) for number, id in enumerate(ids)}
    ready = dict(stand_in.routes)
    endless = drip(head(Content_Type="image/jpeg", Content_Length="9000"), b"x" * 9000)
    stand_in.routes |= {f"/{id}": endless for id in ids[30:]}
    program = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2])!r}]
from stand_in_host import policy_for
from indexer.fetching.download import Downloader
from indexer.fetching.pictures import Wanted, fetch_pictures
origin = {stand_in.origin!r}
wanted = [Wanted(f"p{{n}}", f"{{origin}}/p{{n}}") for n in range(60)]
with Downloader(policy_for(origin)) as downloader:
    fetch_pictures(wanted, __import__("pathlib").Path({str(folder)!r}), downloader, 3)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    stand_in.wait_for_requests(33)
    child.send_signal(deadly)
    child.communicate(timeout=30)
    assert child.returncode != 0
    assert list_present(folder) == set(ids[:30])
    stand_in.routes = ready
    with Downloader(policy_for(stand_in.origin), QUICK) as downloader:
        tally = fetch_pictures(wanted_from(stand_in, *ids), folder, downloader, 3)
    assert (tally.fetched, tally.present) == (30, 30)
    assert {stand_in.asked[f"/{id}"] for id in ids[:30]} == {1}
    assert list_present(folder) == set(ids)


def test_a_net_that_is_away_ends_the_run(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "GIVE_UP_AFTER", 5)
    ids = [f"p{number}" for number in range(50)]
    stand_in.routes = {f"/{id}": close_at_once for id in ids}
    with Downloader(policy_for(stand_in.origin), QUICK) as downloader:
        tally = fetch_pictures(wanted_from(stand_in, *ids), tmp_path, downloader, 1)
    assert tally.gave_up.startswith("5 failures in a row, the last: connection: ")
    assert 5 <= tally.failed <= 7
    assert len(log_of(tmp_path)) == 1 + tally.failed


def test_a_host_that_asks_for_an_hour_ends_the_run(stand_in, tmp_path):
    ids = [f"p{number}" for number in range(50)]
    stand_in.routes = {f"/{id}": reply(b"", 429, Retry_After="3600") for id in ids}
    with Downloader(policy_for(stand_in.origin), QUICK) as downloader:
        tally = fetch_pictures(wanted_from(stand_in, *ids), tmp_path, downloader, 1)
    assert "asks to be left alone for " in tally.gave_up
    assert sum(stand_in.asked.values()) == 1


def test_a_full_disk_ends_the_run(stand_in, tmp_path, monkeypatch):
    stand_in.routes = {"/a": reply(JPEG)}

    def fail(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with (
        Downloader(policy_for(stand_in.origin), QUICK) as downloader,
        pytest.raises(OSError, match="No space"),
    ):
        fetch_pictures(wanted_from(stand_in, "a", "b", "c"), tmp_path, downloader, 1)
    assert list_present(tmp_path) == set()


def test_a_file_that_is_no_failure_log_is_left_alone(tmp_path):
    log = tmp_path / "failures.csv"
    for content in (b"my,own,notes\n", b"\xff\xfe\x00"):
        log.write_bytes(content)
        with pytest.raises(UnreadableFile, match=r"failures.csv is no failure log"):
            FailureLog(log)
        assert log.read_bytes() == content


def test_a_log_cut_short_by_a_kill_is_read_on(tmp_path):
    path = tmp_path / "failures.csv"
    path.write_text("id,url,reason,attempts\na,u,final status-404: x,1\nb,u,final sta")
    with FailureLog(path) as log:
        assert log.final_ids == {"a"}
        log.add("c", "https://x/\n", FetchFailed("timeout", "slow\x1b[2J\nid", attempts=3))
        log.settle({"a"})
    assert log_of(tmp_path)[1:] == [["c", "https://x/\n", "timeout: slow [2J id", "3"]]
