"""Which kind of sound file bytes are, and what its header says of itself; told by the bytes, never by a name."""

from __future__ import annotations

import struct
from typing import Final, Literal

from indexer.errors import NotSound, SoundRefused, SoundTooLarge

Container = Literal["mp3", "ogg", "wav", "flac"]

#: The largest file that is read.
MOST_BYTES: Final = 15 * 1024 * 1024
#: The longest piece.
MOST_S: Final = 600.0

#: A chunk size that a writer leaves while it does not know better.
_UNKNOWN_SIZE: Final = 0xFFFFFFFF


def tell_container(head: bytes) -> Container:
    """Tell the kind of file by its first bytes; raises ``NotSound`` for any other."""
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:3] == b"ID3" or _is_frame(head):
        return "mp3"
    raise NotSound("this is none of the kinds of sound file that are read here: mp3, ogg, wav and flac")


def check_size(size_bytes: int) -> None:
    """Raise ``SoundRefused`` for a file that is empty (``NotSound``) or too large."""
    if size_bytes == 0:
        raise NotSound("the file is empty")
    if size_bytes > MOST_BYTES:
        raise SoundTooLarge(MOST_BYTES)


def check_wav(content: bytes) -> None:
    """Raise ``SoundRefused`` for a wav file that announces more samples than it holds, or too long a piece.

    libsndfile would believe the file's length instead and say nothing.
    """
    rate_bytes = 0
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        if name == b"fmt " and at + 20 <= len(content):
            rate_bytes = struct.unpack_from("<I", content, at + 16)[0]
        if name == b"data":
            held = len(content) - at - 8
            if size not in (0, _UNKNOWN_SIZE):
                if rate_bytes and size / rate_bytes > MOST_S:
                    raise SoundRefused(describe_length(size / rate_bytes))
                if size > held:
                    raise SoundRefused(
                        f"the file is cut short: it announces {size} bytes of sound and holds {held}"
                    )
            return
        at += 8 + size + size % 2
    raise SoundRefused("the file holds no sound: a wav file needs a data part")


def describe_length(seconds: float) -> str:
    """Say that a piece is too long."""
    return (
        f"the piece is {seconds / 60:.0f} minutes long by its own account; at most {MOST_S / 60:.0f} are read"
    )


def _is_frame(head: bytes) -> bool:
    """Tell whether an MPEG layer III frame begins here: eleven set bits, then values that are in use."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    # Free bitrates (0) are left out: no player that matters writes them, and text would pass for them more often.
    return version != 1 and layer == 1 and bitrate not in (0, 15) and rate != 3
