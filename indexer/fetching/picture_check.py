"""Whether bytes are a picture that is safe to keep, from its header alone: nothing is decoded."""

from __future__ import annotations

import io
from typing import Final

from indexer.errors import FetchFailed, MissingLibrary

#: Largest picture that is kept, in pixels: a small file can claim far more than memory holds.
MOST_PIXELS: Final = 40_000_000

#: Content types that are asked for.
PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/jpg", "image/png"})

#: Endings of the files that are kept.
SUFFIXES: Final = (".jpg", ".png")

#: Every scan of a progressive JPEG is a pass over all its pixels when it is decoded; honest ones have about ten.
_MOST_SCANS: Final = 100

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


def check_picture(body: bytes) -> str:
    """Check a JPEG or PNG picture and give its file ending; raises ``FetchFailed`` saying what is wrong with it.

    What counts is what the bytes are, whatever they were announced as.
    """
    try:
        from PIL import JpegImagePlugin, PngImagePlugin
    except ImportError as error:
        raise MissingLibrary(
            "checking pictures needs Pillow: python -m pip install -r requirements.txt"
        ) from error
    # The plugins themselves: Image.open would only warn of bombs, and look for other formats too.
    try:
        if body.startswith(_JPEG):
            width, height = JpegImagePlugin.JpegImageFile(io.BytesIO(body)).size
        elif body.startswith(_PNG):
            width, height = PngImagePlugin.PngImageFile(io.BytesIO(body)).size
        else:
            raise FetchFailed("not-a-picture", f"begins with {body[:12]!r}", is_final=True)
        if width * height > MOST_PIXELS:
            raise FetchFailed(
                "too-many-pixels", f"{width} x {height}, at most {MOST_PIXELS:,} in all", is_final=True
            )
        if body.startswith(_JPEG):
            _check_jpeg_end(body)
            return ".jpg"
        # Reads every chunk against its checksum, up to the one that ends the picture.
        PngImagePlugin.PngImageFile(io.BytesIO(body)).verify()
        return ".png"
    except (SyntaxError, OSError, ValueError, EOFError) as error:
        raise FetchFailed("not-a-picture", f"a damaged picture ({error})") from error


def _check_jpeg_end(body: bytes) -> None:
    if body.count(_START_OF_SCAN) > _MOST_SCANS:
        raise FetchFailed("not-a-picture", f"a JPEG of more than {_MOST_SCANS} scans", is_final=True)
    # Neither marker can occur within the data of a scan. A preview in the header has both, before the last scan.
    if body.rfind(_END_OF_IMAGE) < body.rfind(_START_OF_SCAN):
        raise FetchFailed("truncated", "the picture ends before its end")
