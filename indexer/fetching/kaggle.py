"""Files of Kaggle's data sets, through Kaggle's own client."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from indexer.errors import FetchFailed, MissingLibrary
from indexer.fetching.replies import failure_of_status, plain
from indexer.fetching.transfer import CHUNK_BYTES, Line, Patience, place_of, root_of

if TYPE_CHECKING:
    import requests

_HOW_TO_GET_IN: Final = (
    "make a token at https://www.kaggle.com/settings and put it into ~/.kaggle/access_token or KAGGLE_API_TOKEN, "
    "or name and key into ~/.kaggle/kaggle.json"
)


class KaggleFile:
    """One file of a data set, asked for through Kaggle's own client with the time limits that this does not have.

    kagglehub's ``dataset_download`` is not used: it waits for ever on a host that says nothing, appends whatever a
    resumed request answers, and unpacks whatever it got.
    """

    def __init__(self, owner: str, slug: str, name: str, patience: Patience) -> None:
        """Raises ``MissingLibrary`` without kagglehub, ``FetchFailed`` where a user's key cannot be read."""
        try:
            import kagglesdk.kaggle_client
            from kagglehub.config import get_kaggle_credentials
            from kagglesdk.kaggle_env import KaggleEnv
        except ImportError as error:
            raise MissingLibrary(
                "fetching this needs kagglehub: python -m pip install -r requirements.txt"
            ) from error
        try:
            key = get_kaggle_credentials()
        except (ValueError, OSError) as error:
            raise FetchFailed("key", plain(str(error)), is_final=True) from error
        self.md5: str | None = None
        self._owner, self._slug, self._name = owner, slug, name
        self._patience = patience
        self._has_key = key is not None
        self._client: Any = kagglesdk.kaggle_client.KaggleClient(
            env=KaggleEnv.PROD,
            username=key.username if key else None,
            password=key.key if key else None,
            api_token=key.api_key if key else None,
            user_agent="segue/0.1",
        )
        _limit_time(self._client.http_client(), (patience.connect_s, patience.read_s))

    def close(self) -> None:
        """Close the connections to the API."""
        self._client.http_client().__exit__(None, None, None)

    def newest_version(self) -> int:
        """The number of the newest version; raises ``FetchFailed``."""
        import requests
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = self._owner, self._slug
        with self._explained():
            try:
                found = self._client.datasets.dataset_api_client.get_dataset(request)
                return int(found.current_version_number)
            except requests.JSONDecodeError as error:
                raise _no_answer() from error
            except requests.RequestException:
                raise
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise _no_answer() from error

    @contextmanager
    def open(self, version: int, start_byte: int) -> Iterator[Line]:
        """A line to the file in a version; ``md5`` is set where the store tells it.

        The API names where the file lies for the next hour or so.
        """
        import requests
        from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug = self._owner, self._slug
        request.dataset_version_number, request.file_name = version, self._name
        with self._explained():
            response: requests.Response = self._client.datasets.dataset_api_client.download_dataset(request)
            self.md5 = _read_md5(response.headers.get("x-goog-hash", ""))
            if start_byte:
                # The API is asked as if for all; of what lies elsewhere a part can be had, and there no key is shown.
                address = response.url
                response.close()
                response = requests.get(
                    address,
                    stream=True,
                    timeout=(self._patience.connect_s, self._patience.read_s),
                    headers={"Range": f"bytes={start_byte}-", "Accept-Encoding": "identity"},
                )
            with response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                start_byte, total_bytes = place_of(response.status_code, headers, start_byte)
                yield Line(start_byte, total_bytes, _read(response) if response.ok else iter(()))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Every way in which Kaggle's libraries fail, as a ``FetchFailed``."""
        import requests
        import urllib3.exceptions

        try:
            yield
        except requests.HTTPError as error:
            error.response.close()
            raise self._refusal(error) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise FetchFailed("timeout", f"Kaggle: nothing came for {self._patience.read_s:g} s") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            broken = "cannot be reached" if isinstance(error, requests.ConnectionError) else "broke off"
            raise FetchFailed("connection", f"Kaggle {broken} ({root_of(error)})") from error

    def _refusal(self, error: requests.HTTPError) -> FetchFailed:
        status = error.response.status_code
        if status < 400:
            # Kaggle's client raises as well where the status is good and the answer holds a bad code.
            status = int(error.response.json()["code"])
        if status in (401, 403):
            why = "does not take the key it was given" if self._has_key else "wants a key"
            return FetchFailed("key", f"Kaggle {why} ({status}): {_HOW_TO_GET_IN}", is_final=True)
        if status == 404:
            return FetchFailed(
                "status-404", f"Kaggle has no such version of {self._owner}/{self._slug}", is_final=True
            )
        return failure_of_status(status, error.response.headers.get("Retry-After"))


def _no_answer() -> FetchFailed:
    return FetchFailed("reply", "what answers for Kaggle is not Kaggle", is_final=True)


def _limit_time(http: Any, timeout_s: tuple[float, float]) -> None:
    """Give the session of Kaggle's client a time limit for each answer; it sends its requests without one."""
    import requests.adapters

    class Limited(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
            options["timeout"] = timeout_s
            request.headers["Accept-Encoding"] = "identity"
            return super().send(request, *args, **options)

    session: requests.Session = http.__enter__()._session
    session.mount("https://", Limited())
    session.mount("http://", Limited())


def _read(response: requests.Response) -> Iterator[bytes]:
    # read1 gives what has come, so that a line which trickles is seen to; iter_content waits for a whole piece.
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
        yield chunk


def _read_md5(header: str) -> str | None:
    """The MD5 among the checksums of Google's store, in hexadecimal."""
    for entry in header.split(","):
        name, _, value = entry.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return None
    return None
