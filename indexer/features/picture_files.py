"""Picture files of unknown origin: found by id, and decoded only within limits that their headers must meet."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.errors import InputError, UnreadableFile

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

#: Raised with every change of ``decode_picture`` that changes pixels, so that no cached vector outlives it.
DECODING = 1
#: A poster of TMDb's largest size has six million pixels, a scan of a cover about nine.
MOST_PIXELS = 25_000_000
MOST_BYTES = 20 * 2**20
#: What may be decoded, by content; the file's name decides nothing.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
_PAPER = (255, 255, 255)
#: What Pillow's decoders raise on broken content, besides their own classes, which derive from these.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, struct.error)


class PictureFault(InputError):
    """One picture cannot be used; the message says why and does not name the file."""


def find_pictures(folder: Path, ids: Collection[str]) -> tuple[dict[str, Path], list[str], int]:
    """Pictures of a folder by the id that is their name: (id → file, files that repeat an id, files of no id).

    Raises ``UnreadableFile`` where there is no such folder.
    """
    if not folder.is_dir():
        raise UnreadableFile(f"{folder} is not a folder of pictures")
    found: dict[str, Path] = {}
    repeated: list[str] = []
    unknown = 0
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _ENDINGS or not path.is_file():
            continue
        if path.stem not in ids:
            unknown += 1
        elif path.stem in found:
            repeated.append(path.name)
        else:
            found[path.stem] = path
    return found, repeated, unknown


def read_content(path: Path) -> bytes:
    """The bytes of a picture file; raises ``PictureFault`` where it cannot be read, is empty or too large."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes > MOST_BYTES:
            raise PictureFault(
                f"too large: {size_bytes / 2**20:.0f} MiB, at most {MOST_BYTES // 2**20} are read"
            )
        content = path.read_bytes()
    except OSError as error:
        raise PictureFault(f"cannot be read: {error.strerror or error}") from error
    if not content:
        raise PictureFault("is empty")
    return content


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata and large pictures: limits of our own follow each opening.

    To be entered once around all threads that decode, since warning filters belong to the process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def decode_picture(content: bytes, size_px: int) -> Pixels:
    """Decode to (size_px, size_px, 3) uint8 RGB, stretched to the square as the published system does.

    Size and format are checked from the header before any pixel is decoded. Rotation by EXIF is applied, the first
    frame of an animation taken, transparency laid on white. Raises ``PictureFault``.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise PictureFault(
                    f"too many pixels: {width} × {height}, at most {MOST_PIXELS // 10**6} million are decoded"
                )
            # JPEGs are decoded at an eighth, a quarter or half of their size where that is still enough.
            picture.draft("RGB", (size_px, size_px))
            turned = ImageOps.exif_transpose(picture)
            flat = _flatten(turned).resize((size_px, size_px), Image.Resampling.BILINEAR)
            return np.asarray(flat, dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise PictureFault(f"is not a picture in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from error
    except Image.DecompressionBombError as error:
        raise PictureFault(f"too many pixels: at most {MOST_PIXELS // 10**6} million are decoded") from error
    except _DECODE_ERRORS as error:
        raise PictureFault(f"is damaged: {_one_line(error)}") from error


def _flatten(picture: Image) -> Image:
    """RGB of any mode: palettes, grey, CMYK, 16 bits a channel, transparency."""
    from PIL import Image

    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        paper = Image.new("RGB", layer.size, _PAPER)
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    return picture.convert("RGB")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:120] or type(error).__name__


def count_reasons(faults: Mapping[str, str]) -> dict[str, int]:
    """How many files each reason up to its colon accounts for."""
    counts: dict[str, int] = {}
    for reason in faults.values():
        kind = reason.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts
