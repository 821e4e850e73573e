"""The Spotify Tracks data set from the Hugging Face Hub, at a commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from indexer.errors import FetchFailed, MissingLibrary
from indexer.fetching import data_sets
from indexer.fetching.data_sets import Licence, Record
from indexer.fetching.replies import failure_of_status
from indexer.fetching.transfer import (
    Advance,
    Line,
    Patience,
    Wanted,
    part_of,
    place_of,
    root_of,
    transfer,
    try_again,
)

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

ENDPOINT: Final = "https://huggingface.co"
REPOSITORY: Final = "maharshipandya/spotify-tracks-dataset"
FILE: Final = data_sets.FILES[data_sets.SPOTIFY_TRACKS][0]

#: The newest commit, of 1 December 2023, and the digest of the file in it, both as the Hub's pages show them.
REVISION: Final = "635b034f69257814eff850a5c2b3346fe458134f"
SHA256: Final = "b202fa49909b2d5cef71a04b1d21243cfeb36414535f2ca9272aa646721177bd"

LICENCE: Final = Licence(
    "BSD (as declared on the Hub); ODbL 1.0 (as declared on Kaggle)",
    f"""Spotify Tracks Dataset, by Maharshi Pandya: {ENDPOINT}/datasets/{REPOSITORY}
114,000 rows about songs, gathered from Spotify's Web API: names, popularity and audio features; no sound.
The author declares a BSD licence on the Hub, without its text, and the Open Database License 1.0 for the same data
on Kaggle (https://opendatacommons.org/licenses/odbl/1-0/): share and change them with the source named; a database
made from them that you make public stays under that licence. The names and figures come from Spotify, whose terms
for developers (https://developer.spotify.com/terms) may ask more of you. Segue does not pass the data on.""",
)

#: Sizes that no file of this data set comes near; it has 20 MB.
_MOST_BYTES: Final = 200_000_000

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def fetch_spotify_tracks(
    home: Path,
    advance: Advance,
    revision: str = REVISION,
    patience: Patience | None = None,
    endpoint: str = ENDPOINT,
    sha256: str = SHA256,
    kept: Record | None = None,
) -> Record:
    """Fetch the table into the data set's folder; ``revision``: a commit, branch or tag.

    ``kept``: what is there whole; nothing is fetched if the revision turns out to be that commit.

    The Hub's own SHA-256 is checked, and for the pinned commit the known one as well. Raises ``FetchFailed``,
    ``MissingLibrary`` where huggingface_hub is not installed, ``OSError`` where the folder cannot be written to.
    """
    patience = patience or Patience()
    with data_sets.at_work(home) as work:
        facts = try_again(lambda: _ask_facts(endpoint, revision, patience), patience)
        commit, digest = facts.commit_hash or "", facts.etag or ""
        if not _COMMIT.fullmatch(commit) or not _DIGEST.fullmatch(digest):
            raise FetchFailed("checksum", f"{endpoint} names no commit and SHA-256 of {FILE}", is_final=True)
        if kept is not None and kept.revision == commit:
            return kept
        if commit == REVISION and digest != sha256:
            raise FetchFailed(
                "checksum", f"the Hub has another {FILE} in commit {commit} than is known", is_final=True
            )
        part = part_of(work, digest)

        @contextmanager
        def open_line(start_byte: int) -> Iterator[Line]:
            with _open(endpoint, commit, start_byte, patience) as line:
                yield line

        transfer(open_line, part, Wanted(_MOST_BYTES), patience, advance)
        if data_sets.file_digest(part, "sha256") != digest:
            part.unlink()
            raise FetchFailed(
                "checksum", f"{FILE} is not what the Hub says it is; fetched bytes are thrown away"
            )
        return data_sets.keep(home, {FILE: part}, f"{endpoint}/datasets/{REPOSITORY}", commit, LICENCE)


def _ask_facts(endpoint: str, revision: str, patience: Patience) -> HfFileMetadata:
    """Which commit a revision is, and the file's size and SHA-256 in it."""
    _prepare_hub()
    from huggingface_hub import get_hf_file_metadata

    with _explained(endpoint, patience):
        return get_hf_file_metadata(
            _address(endpoint, revision),
            token=False,
            timeout=patience.read_s,
            library_name="segue",
            library_version="0.1",
            endpoint=endpoint,
        )


@contextmanager
def _open(endpoint: str, commit: str, start_byte: int, patience: Patience) -> Iterator[Line]:
    """A line to the file in a commit, through the Hub's own client: it follows redirects to where the bytes lie."""
    _prepare_hub()
    import httpx2
    from huggingface_hub import get_session

    headers = {"User-Agent": "segue/0.1", "Accept-Encoding": "identity"}
    if start_byte:
        headers["Range"] = f"bytes={start_byte}-"
    timeout = httpx2.Timeout(patience.read_s, connect=patience.connect_s)
    with (
        _explained(endpoint, patience),
        get_session().stream("GET", _address(endpoint, commit), headers=headers, timeout=timeout) as response,
    ):
        start_byte, total_bytes = place_of(response.status_code, response.headers, start_byte)
        yield Line(start_byte, total_bytes, response.iter_raw() if response.is_success else iter(()))


@contextmanager
def _explained(endpoint: str, patience: Patience) -> Iterator[None]:
    """Every way in which the Hub's library fails, as a ``FetchFailed``."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RevisionNotFoundError

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise FetchFailed(
            "offline", "HF_HUB_OFFLINE is set in the environment: unset it", is_final=True
        ) from error
    except RevisionNotFoundError as error:
        raise FetchFailed("status-404", "the data set has no such revision", is_final=True) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise FetchFailed(
                f"status-{status}",
                f"{endpoint} does not give the data set to everybody ({status})",
                is_final=True,
            ) from error
        raise failure_of_status(status, error.response.headers.get("Retry-After")) from error
    except httpx2.TimeoutException as error:
        raise FetchFailed("timeout", f"{endpoint}: nothing came for {patience.read_s:g} s") from error
    except httpx2.HTTPError as error:
        broken = "cannot be reached" if isinstance(error, httpx2.ConnectError) else "broke off"
        raise FetchFailed("connection", f"{endpoint} {broken} ({root_of(error)})") from error


def _prepare_hub() -> None:
    """See to it that the Hub's library is there and tells nobody what else is installed.

    Raises ``MissingLibrary``.
    """
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise MissingLibrary(
            "fetching this needs huggingface_hub: python -m pip install -r requirements.txt"
        ) from error
    # What its environment variables set when it is imported, which may have been long ago.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    constants.HF_HUB_USER_AGENT_ORIGIN = None


def _address(endpoint: str, revision: str) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(REPOSITORY, FILE, repo_type="dataset", revision=revision, endpoint=endpoint)
