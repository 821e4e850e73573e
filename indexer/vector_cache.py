"""Vectors that took long to compute, kept by the SHA-256 of what was encoded; they outlive the build that made them.

One file per model: a line of JSON (model, dimension, type), then records of one size: key (32 bytes), vector,
CRC-32 of both. Records are only ever appended, a batch in one write that is made durable before ``put`` returns.
What an interrupted write left is cut off at the next opening; a record whose checksum is wrong is passed over.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from indexer.errors import ConfigError

_logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

_KEY_BYTES = hashlib.sha256().digest_size
_CHECKSUM_BYTES = 4
_SUFFIX = ".vectors"
#: Records checked at a time when a cache is opened.
_CHECKED_AT_ONCE = 4096


def content_key(content: bytes) -> bytes:
    """The key (32 bytes) of a content: its SHA-256."""
    return hashlib.sha256(content).digest()


class VectorCache:
    """Vectors of one model by content key, on disk; several processes may use one folder.

    ``encoded`` counts what ``put`` added, ``reused`` what ``get`` found, since the opening.
    """

    def __init__(
        self,
        folder: Path,
        model_key: str,
        dimension: int,
        dtype: Literal["float32", "float16"] = "float32",
    ) -> None:
        """Open or make the file of a model; ``model_key`` names all that the vectors depend on but the content.

        Raises ``OSError`` where the folder cannot be written.
        """
        if dimension < 1:
            raise ConfigError(f"vectors of {model_key} cannot have {dimension} dimensions")
        self._dimension = dimension
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._record = np.dtype(
            [("key", np.uint8, _KEY_BYTES), ("vector", self._dtype, dimension), ("checksum", "<u4")]
        )
        header = {"dimension": dimension, "dtype": dtype, "model": model_key}
        self._header = json.dumps(header, sort_keys=True).encode() + b"\n"
        digest = hashlib.sha256(self._header).hexdigest()[:12]
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", model_key)[:60].strip("-.") or "model"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{readable}-{digest}{_SUFFIX}"
        self._places: dict[bytes, int] = {}
        self.encoded = 0
        self.reused = 0
        # Unbuffered: what could not be written must not be tried again at the closing.
        self._stream = self.path.open("a+b", buffering=0)
        try:
            with self._locked():
                self._read()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def close(self) -> None:
        """Release the file."""
        self._stream.close()

    def get(self, keys: Sequence[bytes]) -> tuple[npt.NDArray[np.bool_], Floats]:
        """Which keys are known (n,) bool, and their vectors (n, dimension) float32, zeros where not."""
        places = np.array([self._places.get(key, -1) for key in keys], dtype=np.int64)
        found = places >= 0
        vectors = np.zeros((len(keys), self._dimension), dtype=np.float32)
        if found.any():
            vectors[found] = self._records()[places[found]]["vector"]
        self.reused += int(found.sum())
        return found, vectors

    def put(self, keys: Sequence[bytes], vectors: Floats) -> None:
        """Append vectors (n, dimension); a key that is known keeps its first vector. Durable on return.

        Raises ``ConfigError`` on another shape or a key that is no SHA-256, ``OSError`` where the disk is full.
        """
        if vectors.shape != (len(keys), self._dimension):
            raise ConfigError(
                f"{len(keys)} vectors of {self._dimension} numbers expected, not {vectors.shape}"
            )
        if any(len(key) != _KEY_BYTES for key in keys):
            raise ConfigError(f"keys of vectors are SHA-256 digests of {_KEY_BYTES} bytes")
        fresh = {key: row for row, key in reversed(list(enumerate(keys))) if key not in self._places}
        if not fresh:
            return
        order = sorted(fresh, key=fresh.__getitem__)
        batch = np.zeros(len(order), dtype=self._record)
        batch["key"] = np.frombuffer(b"".join(order), dtype=np.uint8).reshape(-1, _KEY_BYTES)
        batch["vector"] = vectors[[fresh[key] for key in order]]
        batch["checksum"] = _checksums(batch)
        with self._locked():
            start = self._cut_torn_tail()
            try:
                self._write(batch.tobytes())
                os.fsync(self._stream.fileno())
            except OSError:
                # A part of a batch would only be cut off later: nothing of it counts.
                self._stream.truncate(len(self._header) + start * self._record.itemsize)
                raise
        self._places |= {key: start + at for at, key in enumerate(order)}
        self.encoded += len(order)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._stream, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._stream, fcntl.LOCK_UN)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._stream.write(rest) :]

    def _records(self) -> np.memmap[tuple[int], np.dtype[np.void]]:
        return np.memmap(
            self.path, dtype=self._record, mode="r", offset=len(self._header), shape=self._count()
        )

    def _count(self) -> tuple[int]:
        size = os.fstat(self._stream.fileno()).st_size - len(self._header)
        return (max(size, 0) // self._record.itemsize,)

    def _cut_torn_tail(self) -> int:
        """Cut off a part of a record at the end; returns how many whole ones there are. The file is locked."""
        (count,) = self._count()
        whole = len(self._header) + count * self._record.itemsize
        torn = os.fstat(self._stream.fileno()).st_size - whole
        if torn > 0:
            _logger.warning("%s: an interrupted write left %d bytes, cut off", self.path.name, torn)
            self._stream.truncate(whole)
        return count

    def _read(self) -> None:
        self._stream.seek(0)
        found = self._stream.read(len(self._header))
        if found != self._header:
            # New, or cut off within its first line: either way it holds nothing.
            if found:
                _logger.warning("%s is not a cache of this model; it begins anew", self.path.name)
            self._stream.truncate(0)
            self._write(self._header)
        count = self._cut_torn_tail()
        damaged = 0
        records = self._records() if count else None
        for start in range(0, count, _CHECKED_AT_ONCE):
            assert records is not None
            some = np.array(records[start : start + _CHECKED_AT_ONCE])
            good = _checksums(some) == some["checksum"]
            damaged += int((~good).sum())
            for at in np.flatnonzero(good).tolist():
                self._places.setdefault(some["key"][at].tobytes(), start + at)
        if damaged:
            _logger.warning("%s: %d damaged records are passed over", self.path.name, damaged)


def _checksums(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint32]:
    """CRC-32 of each record's key and vector."""
    plain = records.view(np.uint8).reshape(len(records), records.dtype.itemsize)[:, :-_CHECKSUM_BYTES]
    return np.array([zlib.crc32(row.tobytes()) for row in plain], dtype=np.uint32)
