"""What is particular to one data set: commits and redirects of the Hub, keys and versions of Kaggle, zips."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import warnings
import zipfile
from dataclasses import replace

import pytest
from stand_in_data import COMMIT, TABLE, GroupLens, Hub, Kaggle, zip_of
from stand_in_host import head, reply

from indexer.errors import FetchFailed
from indexer.fetching import data_sets, movielens, spotify_tracks, tmdb_movies
from indexer.fetching.archives import unpack
from indexer.fetching.transfer import Patience

ONCE = Patience(attempts=1, connect_s=5, read_s=5)


@pytest.fixture
def hub(stand_in, cdn, tmp_path, hub_closed) -> Hub:
    return Hub(stand_in, cdn, tmp_path / "data")


@pytest.fixture
def kaggle(stand_in, cdn, tmp_path, kaggle_here) -> Kaggle:
    return Kaggle(stand_in, cdn, tmp_path / "data")


@pytest.fixture
def grouplens(stand_in, tmp_path) -> GroupLens:
    return GroupLens(stand_in, stand_in, tmp_path / "data")


def test_a_branch_is_recorded_as_the_commit_that_it_was(hub):
    record = hub.fetch(ONCE, revision="main")
    assert record.revision == COMMIT
    assert record.source == f"{hub.origin}/datasets/maharshipandya/spotify-tracks-dataset"
    assert hub.stand_in.requests[1][:2] == (
        "GET",
        f"/datasets/maharshipandya/spotify-tracks-dataset/resolve/{COMMIT}/dataset.csv",
    )
    assert hub.fetch(ONCE, revision="main", kept=record) is record
    assert len(hub.file.ranges) == 1


def test_the_pinned_commit_has_to_hold_the_known_bytes(hub):
    hub.commit = spotify_tracks.REVISION
    with pytest.raises(FetchFailed, match=r"^checksum: the Hub has another dataset.csv in commit 635b034f"):
        hub.fetch(ONCE, revision=spotify_tracks.REVISION)
    assert hub.file.ranges == []
    assert hub.fetch(ONCE, revision=spotify_tracks.REVISION, sha256=hub.digest).files[
        "dataset.csv"
    ].size_bytes == len(TABLE)


@pytest.mark.parametrize(("commit", "digest"), [("not-a-commit", None), (COMMIT, "abc123")])
def test_a_hub_that_names_no_commit_or_digest_is_not_believed(hub, commit, digest):
    hub.commit, hub.digest = commit, digest or hub.digest
    with pytest.raises(FetchFailed, match=r"^checksum: .* names no commit and SHA-256 of dataset.csv"):
        hub.fetch(ONCE)


def test_an_unknown_revision_says_so(hub):
    hub.stand_in.routes[hub.question] = reply(b"", 404, X_Error_Code="RevisionNotFound")
    with pytest.raises(FetchFailed, match=r"^status-404: the data set has no such revision") as failed:
        hub.fetch(ONCE)
    assert failed.value.is_final


def test_the_hub_learns_neither_who_asks_nor_what_is_installed(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "HF_HUB_USER_AGENT_ORIGIN", "somebody")
    hub.fetch(ONCE)
    told = [headers for host in (hub.stand_in, hub.cdn_host) for *_, headers, _ in host.requests]
    assert len(told) == 3
    for headers in told:
        assert "authorization" not in headers
        assert headers["user-agent"].startswith("segue/0.1")
        assert not {"torch", "agent", "origin"} & {
            part.split("/")[0].strip() for part in headers["user-agent"].split(";")
        }


def test_without_leave_to_go_online_the_hub_is_not_asked(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchFailed, match=r"^offline: HF_HUB_OFFLINE is set in the environment"):
        hub.fetch(ONCE)
    assert hub.stand_in.requests == []


def test_the_newest_version_is_fetched_unless_one_is_named(kaggle):
    assert kaggle.fetch(ONCE).revision == "614"
    asked = json.loads(kaggle.stand_in.requests[1][3])
    assert asked == {
        "ownerSlug": "asaniczka",
        "datasetSlug": "tmdb-movies-dataset-2023-930k-movies",
        "datasetVersionNumber": 614,
        "fileName": "TMDB_movie_dataset_v11.csv",
    }
    assert kaggle.fetch(ONCE, version=458).revision == "458"
    assert kaggle.stand_in.asked[kaggle.question] == 1


def test_a_table_that_comes_unpacked_is_taken_as_it_is(kaggle):
    kaggle.serve(TABLE, with_md5=False)
    record = kaggle.fetch(ONCE)
    assert (kaggle.home / tmdb_movies.FILE).read_bytes() == TABLE
    assert record.files[tmdb_movies.FILE].sha256 == hashlib.sha256(TABLE).hexdigest()


def test_a_version_has_to_be_what_it_was_before(kaggle):
    before = kaggle.fetch(ONCE)
    kaggle.serve(zip_of({tmdb_movies.FILE: TABLE[:-26]}))
    with pytest.raises(
        FetchFailed, match=f"^checksum: version 614 is not what it was on {before.fetched_at[:10]}"
    ):
        kaggle.fetch(ONCE)
    assert data_sets.read_whole(kaggle.home) == before
    kaggle.revision = "615"
    assert kaggle.fetch(ONCE).files[tmdb_movies.FILE].size_bytes == len(TABLE) - 26


@pytest.mark.parametrize("way", ["token in the environment", "token in a file", "name and key in a file"])
def test_a_key_is_shown_to_kaggle_and_to_nobody_else(kaggle, way, monkeypatch, tmp_path):
    folder = tmp_path / "home/.kaggle"
    folder.mkdir(parents=True)
    if way == "token in the environment":
        monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
    elif way == "token in a file":
        (folder / "access_token").write_text("KGAT_secret\n")
    else:
        (folder / "kaggle.json").write_text('{"username": "me", "key": "secret"}')
    kaggle.cut_half_way()
    kaggle.fetch(replace(ONCE, attempts=2, wait=lambda _: None))
    shown = {headers.get("authorization", "")[:6] for *_, headers, _ in kaggle.stand_in.requests}
    assert shown == ({"Basic "} if "name" in way else {"Bearer"})
    assert len(kaggle.cdn_host.requests) == 3
    assert [headers for *_, headers, _ in kaggle.cdn_host.requests if "authorization" in headers] == []


def test_without_a_key_kaggle_is_asked_as_a_stranger_and_its_wish_for_one_explained(kaggle, monkeypatch):
    kaggle.stand_in.routes[kaggle.download] = reply(
        b'{"code": 403, "message": "Permission denied"}', 403, "application/json"
    )
    how = (
        r"https://www\.kaggle\.com/settings .* ~/\.kaggle/access_token or KAGGLE_API_TOKEN, .*/kaggle\.json$"
    )
    with pytest.raises(
        FetchFailed, match=rf"^key: Kaggle wants a key \(403\): make a token at {how}"
    ) as failed:
        kaggle.fetch(ONCE)
    assert failed.value.is_final
    assert "authorization" not in kaggle.stand_in.requests[0][2]
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
    with pytest.raises(
        FetchFailed, match=r"^key: Kaggle does not take the key it was given \(403\)"
    ) as failed:
        kaggle.fetch(ONCE)
    assert "secret" not in str(failed.value)


def test_a_bad_code_within_a_good_answer_is_a_refusal(kaggle):
    kaggle.stand_in.routes[kaggle.question] = reply(
        b'{"code": 404, "message": "gone"}', 200, "application/json"
    )
    with pytest.raises(FetchFailed, match=r"^status-404: Kaggle has no such version"):
        kaggle.fetch(ONCE)


@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
def test_a_page_in_place_of_an_answer_is_not_believed(kaggle, content_type):
    kaggle.stand_in.routes[kaggle.question] = reply(b"<html>log in to this network", 200, content_type)
    with pytest.raises(FetchFailed, match=r"^reply: what answers for Kaggle is not Kaggle"):
        kaggle.fetch(ONCE)


def test_a_page_in_place_of_the_table_is_thrown_away(kaggle):
    kaggle.stand_in.routes[kaggle.download] = reply(b"<html>\n<title>log in</title>", 200, "text/html")
    with pytest.raises(FetchFailed, match=r"^reply: what came is no table of films, and is thrown away"):
        kaggle.fetch(ONCE)
    assert not (kaggle.home / "fetched.json").exists()
    assert not (kaggle.home / ".fetching").exists()


def test_a_key_file_that_is_none_says_so(kaggle, tmp_path):
    (tmp_path / "home/.kaggle").mkdir(parents=True)
    (tmp_path / "home/.kaggle/kaggle.json").write_text('{"username": "me", "key"')
    with pytest.raises(FetchFailed, match=r"^key: Invalid Kaggle credentials file at "):
        kaggle.fetch(ONCE)


def test_kaggle_is_told_no_more_than_what_is_asked_for(kaggle):
    kaggle.fetch(ONCE)
    for *_, headers, _ in kaggle.stand_in.requests:
        assert headers["user-agent"] == "segue/0.1"


@pytest.mark.parametrize("line", ["{0}  ml-latest-small.zip\n", "MD5 (ml-latest-small.zip) = {0}\n", "{0}"])
def test_the_published_checksum_is_read_as_md5sum_and_as_bsd_write_it(grouplens, line):
    grouplens.md5_line = line.format(grouplens.md5.upper() if line == "{0}" else grouplens.md5)
    assert grouplens.fetch(ONCE).revision == f"ml-latest-small {grouplens.md5}"


def test_a_checksum_file_without_a_checksum_is_refused(grouplens):
    grouplens.md5_line = "<html>moved</html>"
    with pytest.raises(FetchFailed, match=r"ml-latest-small\.zip\.md5 holds no MD5"):
        grouplens.fetch(ONCE)


def test_sizes_that_never_change_are_checked_against_what_is_known(grouplens):
    known = replace(grouplens.edition, md5=grouplens.md5)
    assert grouplens.fetch(ONCE, edition=known).revision.endswith(grouplens.md5)
    assert grouplens.stand_in.asked[grouplens.question] == 0
    with pytest.raises(
        FetchFailed, match=r"^checksum: ml-latest-small.zip has not the MD5 that is published"
    ):
        grouplens.fetch(ONCE, edition=replace(known, md5="0" * 32))


def test_a_zip_that_changes_while_it_is_fetched_is_begun_anew(grouplens, monkeypatch):
    monkeypatch.setattr(movielens, "PIECE_BYTES", 16_384)
    honest = grouplens.file.content

    def longer(_):
        return head(206, Content_Range=f"bytes 16384-16385/{len(honest) + 9}", Content_Length="2") + b"??"

    grouplens.file.faults += [None, longer]
    grouplens.fetch(replace(ONCE, attempts=2, wait=lambda _: None))
    assert (grouplens.home / "ratings.csv").read_bytes() == TABLE


def test_every_size_of_movielens_can_be_asked_for():
    from indexer.commands.fetch_data import _SIZES

    assert set(_SIZES) == set(movielens.EDITIONS)


def made_zip(
    *members: tuple[str, bytes], mode: int = 0, flag: int = 0, method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive, warnings.catch_warnings(action="ignore"):
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = method
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    found = bytearray(packed.getvalue())
    if flag:
        at = found.index(b"PK\x01\x02")
        found[at + 8] |= flag
    return bytes(found)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (made_zip(("../../tags.csv", b"a")), "a path in it leads out of its folder"),
        (made_zip(("/etc/tags.csv", b"a")), "a path in it leads out of its folder"),
        (made_zip(("ml\\..\\tags.csv", b"a")), "a path in it leads out of its folder"),
        (made_zip(("C:/tags.csv", b"a")), "a path in it leads out of its folder"),
        (made_zip(("tags.csv", b"a"), ("other/../../evil", b"a")), "a path in it leads out of its folder"),
        (made_zip(("tags.csv", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "it holds a link"),
        (made_zip(("a/tags.csv", b"a"), ("b/tags.csv", b"b")), "it has tags.csv twice"),
        (made_zip(("tags.csv", b"a"), flag=1), "tags.csv in it is encrypted"),
        (made_zip(("tags.csv", bytes(900_000))), "bytes of it would unpack to 900000"),
        (
            made_zip(("tags.csv", bytes(range(256)) * 8_000), method=zipfile.ZIP_STORED),
            "it would unpack to 2048000 bytes",
        ),
        (made_zip(*[(f"{number}", b"") for number in range(1_001)]), "it has 1001 members"),
        (made_zip(("movies.csv", b"a")), "the zip has no tags.csv"),
        (b"PK\x03\x04 and no more", "the zip is damaged"),
        (b"", "the zip is damaged"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_zip_that_is_a_trap_is_not_unpacked(content, why, tmp_path):
    archive, target = tmp_path / "in.zip", tmp_path / "out/tags.csv"
    archive.write_bytes(content)
    target.parent.mkdir()
    with pytest.raises(FetchFailed, match=why) as failed:
        unpack(archive, {"tags.csv": target}, 2_000_000, lambda *_: None)
    assert failed.value.is_final
    assert list(target.parent.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.zip", "out"]


@pytest.mark.parametrize(
    "how", ["a byte of it changed", "it says less than it holds", "it says more than it holds"]
)
def test_a_member_that_is_not_what_the_zip_says_is_refused(how, tmp_path):
    table = TABLE[:5_000]
    content = bytearray(made_zip(("tags.csv", table), method=zipfile.ZIP_STORED))
    size_at = content.index(b"PK\x01\x02") + 24
    if how == "a byte of it changed":
        content[100] ^= 1
    else:
        said = len(table) + (-1_000 if "less" in how else 1_000)
        content[size_at : size_at + 4] = said.to_bytes(4, "little")
    archive = tmp_path / "in.zip"
    archive.write_bytes(content)
    with pytest.raises(FetchFailed, match=r"^archive: "):
        unpack(archive, {"tags.csv": tmp_path / "tags.csv"}, 10**6, lambda *_: None)


def test_a_trap_on_the_host_leaves_nothing_behind(grouplens):
    grouplens.file.content = made_zip(*[(f"../{name}", b"a") for name in movielens.FILES])
    grouplens.md5_line = hashlib.md5(grouplens.file.content).hexdigest()
    with pytest.raises(FetchFailed, match=r"^refused: the zip is not unpacked"):
        grouplens.fetch(ONCE)
    assert [path.name for path in grouplens.home.parent.rglob("*.csv")] == []
    assert not (grouplens.home / "fetched.json").exists()
