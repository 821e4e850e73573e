"""urllib3, or a clear message where it is not installed."""

from __future__ import annotations

from http.client import IncompleteRead

from indexer.errors import MissingLibrary

try:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import HTTPError, ReadTimeoutError
    from urllib3.exceptions import SSLError as TlsError
except ImportError as error:
    raise MissingLibrary("fetching needs urllib3: python -m pip install -r requirements.txt") from error

__all__ = ["HTTPConnection", "HTTPError", "HTTPSConnection", "IncompleteRead", "ReadTimeoutError", "TlsError"]
