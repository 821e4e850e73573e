"""Files out of a zip that is not believed: neither its paths nor its sizes."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from indexer.errors import FetchFailed
from indexer.fetching.data_sets import check_room
from indexer.fetching.transfer import CHUNK_BYTES, Advance

#: More members than these are no data set of ours.
_MOST_MEMBERS: Final = 1_000

#: Deflate packs at most about 1,030 to 1; tables of text come to 3 to 30.
_MOST_RATIO: Final = 200

_ENCRYPTED: Final = 0x1


def unpack(archive: Path, targets: Mapping[str, Path], size_most_bytes: int, advance: Advance) -> None:
    """Take the members of these names, whatever folder of the zip they are in, each to its path; others are left.

    ``size_most_bytes``: of all of them unpacked. Every byte is checked against the zip's CRC-32. Raises ``FetchFailed``
    where it is no zip or a damaged one, a member is missing, twice there or encrypted, any path leads out of the zip,
    or the sizes are those of a bomb or more than the disk has room for.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _choose(opened.infolist(), targets)
            total_bytes = sum(member.file_size for member in members.values())
            if total_bytes > size_most_bytes:
                raise _refused(f"it would unpack to {total_bytes} bytes, at most {size_most_bytes}")
            check_room(next(iter(targets.values())).parent, total_bytes)
            done_bytes = 0
            advance("unpacked", 0, total_bytes)
            for name, member in members.items():
                with opened.open(member) as packed, targets[name].open("wb") as unpacked:
                    # The reader stops at the announced size and then compares the CRC.
                    while chunk := packed.read(CHUNK_BYTES):
                        unpacked.write(chunk)
                        done_bytes += len(chunk)
                        advance("unpacked", done_bytes, total_bytes)
                if targets[name].stat().st_size != member.file_size:
                    raise FetchFailed("archive", f"{name} in the zip ends too soon", is_final=True)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise FetchFailed("archive", f"the zip is damaged: {error}", is_final=True) from error


def _choose(listed: list[zipfile.ZipInfo], targets: Mapping[str, Path]) -> dict[str, zipfile.ZipInfo]:
    if len(listed) > _MOST_MEMBERS:
        raise _refused(f"it has {len(listed)} members")
    chosen: dict[str, zipfile.ZipInfo] = {}
    for member in listed:
        path = PurePosixPath(member.filename)
        # No path of the zip is ever written to; one that leads out of it shows what the zip is.
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
            raise _refused("a path in it leads out of its folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _refused("it holds a link")
        if path.name not in targets or member.is_dir():
            continue
        if path.name in chosen:
            raise _refused(f"it has {path.name} twice")
        if member.flag_bits & _ENCRYPTED:
            raise _refused(f"{path.name} in it is encrypted")
        if member.file_size > _MOST_RATIO * max(member.compress_size, 1):
            raise _refused(f"{member.compress_size} bytes of it would unpack to {member.file_size}")
        chosen[path.name] = member
    if lacking := sorted(set(targets) - set(chosen)):
        raise FetchFailed("archive", f"the zip has no {', '.join(lacking)}", is_final=True)
    return chosen


def _refused(why: str) -> FetchFailed:
    return FetchFailed("refused", f"the zip is not unpacked: {why}", is_final=True)
