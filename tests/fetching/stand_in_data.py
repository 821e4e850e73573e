"""Stand-ins of the three hosts of data sets, in the protocols that their libraries speak, and ways to misbehave."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from stand_in_host import Behaviour, StandIn, head, policy_for, reply

from indexer.fetching import data_sets, movielens, spotify_tracks, tmdb_movies
from indexer.fetching.data_sets import Record
from indexer.fetching.transfer import Patience

COMMIT = "0123456789abcdef0123456789abcdef01234567"

#: Bytes that no part of repeats: a resumed half in the wrong place would show.
TABLE = b"id,title\n" + b"".join(b"%06d,a row of the table\n" % number for number in range(12_000))


def zip_of(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


class File:
    """A file on a host that gives parts of it. ``faults`` are answered first, one each request, None for none."""

    def __init__(self, content: bytes, **headers: str) -> None:
        self.content = content
        self.headers = headers
        self.faults: list[Behaviour | Callable[[File, int], Behaviour] | None] = []
        self.ranges: list[str] = []

    def __call__(self, stand_in: StandIn):
        asked = stand_in.requests[-1][2].get("range", "")
        self.ranges.append(asked)
        fault = self.faults.pop(0) if self.faults else None
        return (fault or self.whole)(stand_in)

    @property
    def _asked(self) -> tuple[int, int] | None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.ranges[-1])
        return (int(found[1]), min(int(found[2] or 10**12) + 1, len(self.content))) if found else None

    def _head(self) -> tuple[bytes, bytes]:
        span, total = self._asked, len(self.content)
        if span is None:
            return head(200, Content_Length=str(total), Accept_Ranges="bytes", **self.headers), self.content
        if span[0] >= total:
            return head(416, Content_Range=f"bytes */{total}", Content_Length="0"), b""
        body = self.content[span[0] : span[1]]
        where = f"bytes {span[0]}-{span[1] - 1}/{total}"
        return head(206, Content_Range=where, Content_Length=str(len(body)), **self.headers), body

    def whole(self, _: StandIn) -> bytes:
        return b"".join(self._head())

    def cut_after(self, size: int) -> Behaviour:
        """Announce all, send so many bytes and close."""

        def parts(_: StandIn) -> Iterator[bytes]:
            start, body = self._head()
            yield start + body[:size]

        return parts

    def hang_after(self, size: int) -> Behaviour:
        def parts(stand_in: StandIn) -> Iterator[bytes]:
            start, body = self._head()
            yield start + body[:size]
            stand_in.over.wait(30)

        return parts

    def drip(self, pause_s: float) -> Behaviour:
        """A byte at a time."""

        def parts(stand_in: StandIn) -> Iterator[bytes]:
            start, body = self._head()
            yield start
            for at in range(len(body)):
                if stand_in.over.wait(pause_s):
                    return
                yield body[at : at + 1]

        return parts

    def ignore_range(self, _: StandIn) -> bytes:
        return head(200, Content_Length=str(len(self.content)), **self.headers) + self.content


class Hub:
    """Hugging Face: HEAD of the address tells commit, size and SHA-256; GET is redirected to another host's file."""

    name = data_sets.SPOTIFY_TRACKS
    key = f"{name}/dataset.csv"

    def __init__(self, stand_in: StandIn, cdn: StandIn, folder: Path) -> None:
        self.stand_in = stand_in
        self.home = folder / self.name
        self.origin = f"http://127.0.0.1:{stand_in.server_address[1]}"
        self.cdn = f"http://127.0.0.1:{cdn.server_address[1]}"
        self.cdn_host = cdn
        self.expected = {"dataset.csv": TABLE}
        self.revision = COMMIT
        self.file = File(TABLE)
        self.digest = hashlib.sha256(TABLE).hexdigest()
        self.commit = COMMIT
        cdn.routes["/blob"] = self.file
        self.question = f"/datasets/{spotify_tracks.REPOSITORY}/resolve/main/dataset.csv"
        for revision in ("main", COMMIT, spotify_tracks.REVISION):
            stand_in.routes[f"/datasets/{spotify_tracks.REPOSITORY}/resolve/{revision}/dataset.csv"] = (
                self.answer
            )

    def answer(self, _: StandIn) -> bytes:
        return head(
            302,
            Location=f"{self.cdn}/blob",
            Content_Length="0",
            ETag='"of-the-redirect"',
            X_Linked_Etag=f'"{self.digest}"',
            X_Linked_Size=str(len(self.file.content)),
            X_Repo_Commit=self.commit,
        )

    def cut_half_way(self) -> int:
        """The next request breaks off; gives how many bytes of the file came by then."""
        self.file.faults.append(self.file.cut_after(100_000))
        return 100_000

    def spoil(self) -> None:
        self.file.content = TABLE.replace(b"000007,a", b"000007,b")

    def fetch(self, patience: Patience, advance=lambda *_: None, **options) -> Record:
        options = {"revision": "main"} | options
        return spotify_tracks.fetch_spotify_tracks(
            self.home, advance, patience=patience, endpoint=self.origin, **options
        )


class Kaggle:
    """Kaggle: calls by POST with JSON; the download is redirected to a store, which knows the MD5."""

    name = data_sets.TMDB_MOVIES
    key = f"{name}/TMDB_movie_dataset_v11.csv"
    question = "/v1/datasets.DatasetApiService/GetDataset"
    download = "/v1/datasets.DatasetApiService/DownloadDataset"

    def __init__(self, stand_in: StandIn, cdn: StandIn, folder: Path) -> None:
        self.stand_in = stand_in
        self.home = folder / self.name
        self.origin = f"http://127.0.0.1:{stand_in.server_address[1]}"
        self.cdn = f"http://127.0.0.1:{cdn.server_address[1]}"
        self.cdn_host = cdn
        self.expected = {tmdb_movies.FILE: TABLE}
        self.revision = "614"
        self.file = File(b"")
        self.serve(zip_of({tmdb_movies.FILE: TABLE}))
        cdn.routes["/store/table.zip?signed=1"] = self.file
        stand_in.routes[self.question] = self.newest
        stand_in.routes[self.download] = lambda _: head(
            302, Location=f"{self.cdn}/store/table.zip?signed=1", Content_Length="0"
        )

    def serve(self, content: bytes, with_md5: bool = True) -> None:
        self.file.content = content
        digest = base64.b64encode(hashlib.md5(content).digest()).decode()
        self.file.headers = {"x_goog_hash": f"crc32c=AAAAAA==,md5={digest}"} if with_md5 else {}

    def newest(self, stand_in: StandIn) -> bytes:
        body = json.dumps({"currentVersionNumber": int(self.revision)}).encode()
        return reply(body, content_type="application/json")(stand_in)

    def cut_half_way(self) -> int:
        half = len(self.file.content) // 2
        self.file.faults.append(self.file.cut_after(half))
        return half

    def spoil(self) -> None:
        self.file.content = self.file.content[:5_000] + b"X" + self.file.content[5_001:]

    def fetch(self, patience: Patience, advance=lambda *_: None, **options) -> Record:
        return tmdb_movies.fetch_tmdb_movies(self.home, advance, patience=patience, **options)


class GroupLens:
    """GroupLens: a plain file host with the zip and its MD5 beside it."""

    name = data_sets.MOVIELENS
    key = f"{name}/tags.csv"
    question = "/datasets/movielens/ml-latest-small.zip.md5"

    def __init__(self, stand_in: StandIn, cdn: StandIn, folder: Path) -> None:
        self.stand_in = stand_in
        self.home = folder / self.name
        self.origin = stand_in.origin
        self.policy = policy_for(self.origin)
        self.expected = {"tags.csv": TABLE[::-1], "ratings.csv": TABLE, "links.csv": TABLE[:100]}
        self.edition = movielens.Edition("ml-latest-small", 1_000, 1_000)
        members = {f"ml-latest-small/{name}": content for name, content in self.expected.items()}
        self.file = File(zip_of({"ml-latest-small/": b"", **members, "ml-latest-small/README.txt": b"terms"}))
        self.md5 = hashlib.md5(self.file.content).hexdigest()
        self.revision = f"ml-latest-small {self.md5}"
        self.md5_line = f"{self.md5}  ml-latest-small.zip\n"
        stand_in.routes["/datasets/movielens/ml-latest-small.zip"] = self.file
        stand_in.routes[self.question] = lambda host: reply(self.md5_line.encode(), content_type="")(host)

    def cut_half_way(self) -> int:
        """It is asked for in pieces: the first comes, the second breaks off and counts for nothing."""
        self.file.faults += [None, self.file.cut_after(100)]
        return movielens.PIECE_BYTES

    def spoil(self) -> None:
        self.file.content = self.file.content[:5_000] + b"X" + self.file.content[5_001:]

    def fetch(self, patience: Patience, advance=lambda *_: None, **options) -> Record:
        options = {"edition": self.edition, "policy": self.policy, "origin": self.origin} | options
        return movielens.fetch_movielens(self.home, advance, patience=patience, **options)
