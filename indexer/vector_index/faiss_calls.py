"""The calls into FAISS that several kinds share: files, threads, selectors and padding."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss as faiss_module
import numpy as np

from indexer.errors import VersionDamaged
from indexer.vector_index.base import Floats, Mask, Neighbours

#: What follows the index in its file: a mark, and the length of what is before it.
_END = struct.Struct("<8sQ")
_MARK = b"SEGUEEND"

#: FAISS ships type stubs that lack half of what is used here.
faiss: Any = faiss_module
#: Kinds whose codes FAISS copies when it maps their file, into memory of this process: mapping would hold them twice.
_COPIED = (faiss.IndexIVFFastScan,)


def set_threads(count: int) -> None:
    """Let FAISS use ``count`` OpenMP threads in the calling thread: OpenMP counts per thread.

    A search uses one thread whatever is set here, and so does building.
    """
    if count < 1:
        raise ValueError(f"at least one thread is needed, not {count}")
    faiss.omp_set_num_threads(count)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold FAISS to the calling thread: repeatable, and no second core is kept spinning for a short search."""
    before = faiss.omp_get_max_threads()
    if before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def make_selector(allowed: Mask | None) -> tuple[Any, Any]:
    """A selector of the allowed rows, and the packed bits it points into: keep both until the search is done.

    One that allows all rows where ``allowed`` is None.
    """
    if allowed is None:
        return faiss.IDSelectorAll(), None
    packed = np.packbits(allowed, bitorder="little")
    return faiss.IDSelectorBitmap(packed), packed


def look_up(index: Any, query: Floats, k: int, params: Any) -> Neighbours:
    """Search for a (1, d) query; the padding of rows that were not found ends here."""
    with one_thread():
        scores, rows = index.search(query, k, params=params)
    there = rows[0] >= 0
    if there.all():
        return Neighbours(rows[0], scores[0])
    return Neighbours(rows[0][there], scores[0][there])


def write_file(index: Any, path: Path) -> None:
    """Write an index of FAISS's and its length behind it; OSError, naming the file, where it cannot."""
    try:
        faiss.write_index(index, str(path))
        with path.open("ab") as stream:
            stream.write(_END.pack(_MARK, stream.tell()))
    except RuntimeError as error:
        raise OSError(f"cannot write the index {path.name}: {_first_line(error)}") from error


def read_file(path: Path, kind: str, stored: type[Any]) -> Any:
    """Map an index of FAISS's into memory, so that processes share its pages; read it where FAISS would copy it.

    Verify its SHA-256 before: FAISS misses flipped bits. VersionDamaged for a missing, truncated or other file;
    MemoryError where there is no room for it.
    """
    try:
        # FAISS reads past the end of a mapped file that was cut short, which ends the process. A file that does not
        # say that it is whole is read instead, which fails as it should.
        is_mapped = not issubclass(stored, _COPIED) and _is_whole(path)
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if is_mapped else 0)
    except MemoryError as error:
        raise MemoryError(f"there is not enough memory to open {path.name}") from error
    except RuntimeError as error:
        raise VersionDamaged(f"{path.name} cannot be read as an index: {_first_line(error)}") from error
    if not isinstance(index, stored) or index.metric_type != faiss.METRIC_INNER_PRODUCT or index.ntotal < 1:
        raise VersionDamaged(f"{path.name} does not hold {kind} vectors compared by inner product")
    return index


def _is_whole(path: Path) -> bool:
    """Whether a file ends as ``write_file`` ends it; files of earlier versions do not."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size < _END.size:
                return False
            stream.seek(size - _END.size)
            return stream.read() == _END.pack(_MARK, size - _END.size)
    except FileNotFoundError:
        return False


def _first_line(error: BaseException) -> str:
    # FAISS says where in its source it failed before it says what failed.
    return " ".join(str(error).split()).rpartition("Error: ")[2] or type(error).__name__
