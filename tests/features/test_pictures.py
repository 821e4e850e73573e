"""Pictures to vectors: hostile files, the cache, resumption, and the two engines on models made here."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer.errors import MissingModel, UnreadableFile
from indexer.features import picture_files
from indexer.features.picture_files import PictureFault, decode_picture, read_content
from indexer.features.pictures import BATCH, encode_folder, read_posters

Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")

ROOT = Path(__file__).resolve().parents[2]
RED, GREEN, BLUE, WHITE = (200, 30, 40), (20, 180, 60), (30, 40, 200), (255, 255, 255)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def saved(folder: Path, name: str, picture: Any, **options: Any) -> bytes:
    path = folder / name
    picture.save(path, **options)
    return path.read_bytes()


def halves(mode: str = "RGB") -> Any:
    """Red on the left, blue on the right, 40 × 60."""
    picture = Image.new("RGB", (40, 60), RED)
    picture.paste(BLUE, (20, 0, 40, 60))
    return picture.convert(mode)


def corners(content: bytes) -> list[list[int]]:
    """Left and right middle of the decoded picture, to the nearest ten."""
    pixels = decode_picture(content, 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    return [(pixels[16, x].astype(int) + 5).__floordiv__(10).tolist() for x in (3, 28)]


TENTHS = [[20, 3, 4], [3, 4, 20]]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif"])
def test_formats_are_told_by_content(tmp_path: Path, name: str) -> None:
    options = (
        {"quality": 100, "subsampling": 0}
        if name == "a.jpg"
        else {"lossless": True}
        if "webp" in name
        else {}
    )
    assert corners(saved(tmp_path, name, halves(), **options)) == TENTHS


def test_palettes_and_cmyk_become_rgb(tmp_path: Path) -> None:
    palette = corners(saved(tmp_path, "p.png", halves("P")))
    cmyk = corners(saved(tmp_path, "c.jpg", halves("CMYK"), quality=100, subsampling=0))
    # Both come close to a colour only.
    assert np.abs(np.array([palette, cmyk]) - TENTHS).max() <= 1


def test_grey_of_8_and_16_bits_is_the_same_grey(tmp_path: Path) -> None:
    eight = saved(tmp_path, "8.png", Image.new("L", (10, 10), 130))
    sixteen = saved(tmp_path, "16.png", Image.fromarray(np.full((10, 10), 130 * 256, dtype=np.uint16)))
    assert decode_picture(eight, 32)[5, 5].tolist() == [130, 130, 130]
    assert decode_picture(sixteen, 32)[5, 5].tolist() == [130, 130, 130]


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    picture = halves("RGBA")
    picture.paste((0, 0, 0, 0), (20, 0, 40, 60))
    assert corners(saved(tmp_path, "t.png", picture)) == [[20, 3, 4], [26, 26, 26]]
    palette = Image.new("P", (40, 60), 0)
    palette.putpalette([*RED, *BLUE])
    palette.paste(1, (20, 0, 40, 60))
    assert corners(saved(tmp_path, "t.gif", palette, transparency=1)) == [[20, 3, 4], [26, 26, 26]]


def test_an_animation_is_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 60), colour) for colour in (GREEN, RED, BLUE)]
    content = saved(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:], duration=50)
    assert corners(content) == [[2, 18, 6], [2, 18, 6]]


def test_rotation_by_exif_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down, so left and right change places
    content = saved(tmp_path, "r.jpg", halves(), exif=exif, quality=100, subsampling=0)
    assert corners(content) == TENTHS[::-1]


def _bomb(_folder: Path) -> bytes:
    return png_header(8000, 5000)


def _larger_bomb(_folder: Path) -> bytes:
    return png_header(60000, 60000)


def _jpeg_bomb(folder: Path) -> bytes:
    return saved(folder, "b.jpg", Image.new("L", (8000, 5000)))


def _cut(folder: Path) -> bytes:
    content = saved(folder, "c.jpg", halves().resize((400, 600)), quality=95)
    return content[: len(content) // 2]


def _cut_png(folder: Path) -> bytes:
    content = saved(folder, "c.png", Image.effect_noise((400, 600), 50))
    return content[: len(content) // 2]


def _wrong_checksum(folder: Path) -> bytes:
    content = bytearray(saved(folder, "w.png", halves()))
    content[content.index(b"IDAT") - 6] ^= 0x55  # in the checksum of the header before it
    return bytes(content)


def _text(_folder: Path) -> bytes:
    return b"<html>not here</html>"


def _no_format_of_ours(folder: Path) -> bytes:
    return saved(folder, "b.bmp", halves())


HOSTILE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "bomb": (_bomb, "too many pixels: 8000 × 5000, at most 25 million"),
    "larger bomb": (_larger_bomb, "too many pixels"),
    "jpeg bomb": (_jpeg_bomb, "too many pixels: 8000 × 5000"),
    "cut": (_cut, "is damaged: "),
    "cut png": (_cut_png, "is damaged: "),
    "wrong checksum": (_wrong_checksum, "is not a picture"),
    "text": (_text, "is not a picture in JPEG, PNG, WEBP or GIF"),
    "bmp": (_no_format_of_ours, "is not a picture in JPEG, PNG, WEBP or GIF"),
    "no size": (lambda _: png_header(0, 10), "is "),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_picture_says_what_is_wrong(tmp_path: Path, case: str) -> None:
    make, reason = HOSTILE[case]
    with picture_files.quiet_decoding(), pytest.raises(PictureFault) as caught:
        decode_picture(make(tmp_path), 32)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_its_pixels_are_decoded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from PIL import ImageFile

    content = _jpeg_bomb(tmp_path)
    decoded: list[str] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: decoded.append("pixels"))
    with pytest.raises(PictureFault, match="too many pixels"):
        decode_picture(content, 32)
    assert decoded == []


def test_empty_large_and_vanished_files_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_files, "MOST_BYTES", 100)
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "large.jpg").write_bytes(b"x" * 101)
    for name, reason in (
        ("empty.jpg", "is empty"),
        ("large.jpg", "too large"),
        ("gone.jpg", "cannot be read: No such"),
    ):
        with pytest.raises(PictureFault, match=reason):
            read_content(tmp_path / name)


class Counting:
    """An encoder that averages colours and counts what it encodes but plain grey; it may stop after so many batches."""

    key, dimension, size_px = "counting", 3, 32
    facts: dict[str, Any] = {"engine": "counting"}  # noqa: RUF012

    def __init__(self, stop_after: int = 10**9) -> None:
        self.posters = 0
        self.batches = 0
        self._stop_after = stop_after

    def encode(self, pixels: picture_files.Pixels) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.batches == self._stop_after:
            raise KeyboardInterrupt
        self.batches += 1
        self.posters += int((pixels != 127).any(axis=(1, 2, 3)).sum())
        return pixels.mean(axis=(1, 2), dtype=np.float32)


def folder_of(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8), (number, 0, 255 - number)).save(folder / f"p{number}.png")
    return folder


def names(*columns: list[str | None]) -> list[pd.Series[str]]:
    return [pd.Series(column, dtype="str") for column in columns]


def test_rows_get_the_picture_of_their_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", 4)
    (folder / "notes.txt").write_text("x")
    found = encode_folder(
        folder, names(["m1", "p2", "m3", "p1"], ["p3", "p0", None, None]), Counting(), None, what="posters"
    )
    # The first column counts before the second: the second row is p2, not p0.
    assert found.rows.tolist() == [0, 1, 3]
    assert found.vectors.tolist() == [[3, 0, 252], [2, 0, 253], [1, 0, 254]]
    counts = {
        name: found.facts[name] for name in ("items", "files_used", "files_of_no_item", "encoded", "reused")
    }
    assert counts == {"items": 3, "files_used": 3, "files_of_no_item": 0, "encoded": 3, "reused": 0}


def test_films_that_share_an_id_share_a_picture_and_one_content_is_encoded_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", 1)
    (folder / "copy.png").write_bytes((folder / "p0.png").read_bytes())
    encoder = Counting()
    found = encode_folder(folder, names(["p0", "p0", "copy"]), encoder, tmp_path / "cache")
    assert found.vectors.tolist() == [[0, 0, 255]] * 3
    assert (encoder.posters, found.facts["encoded"], found.facts["reused"]) == (1, 1, 1)
    assert found.grey.tolist() == [127, 127, 127]


def test_bad_files_are_reported_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = folder_of(tmp_path / "pictures", 3)
    (folder / "p1.png").write_bytes(b"no picture")
    (folder / "p2.png").write_bytes(png_header(8000, 5000))
    (folder / "p0.webp").write_bytes(b"another of that name")
    (folder / "stranger.jpg").write_bytes(b"of no film")
    found = encode_folder(folder, names(["p0", "p1", "p2"]), Counting(), tmp_path / "cache", what="posters")
    assert found.rows.tolist() == [0]
    assert found.facts["faults"] == {
        "p0.webp": "repeats an id: another file of that name is used",
        "p1.png": "is not a picture in JPEG, PNG, WEBP or GIF",
        "p2.png": "too many pixels: 8000 × 5000, at most 25 million are decoded",
    }
    assert found.facts["fault_counts"]["too many pixels"] == 1
    assert found.facts["files_of_no_item"] == 1
    assert "posters: p1.png is not a picture" in caplog.text


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="not a folder of pictures"):
        encode_folder(tmp_path / "gone", names(["a"]), Counting(), None)


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    found = encode_folder(folder_of(tmp_path / "pictures", 0), names(["a"]), Counting(), None)
    assert found.rows.tolist() == []
    assert found.vectors.shape == (0, 3)


def test_an_interrupted_run_is_resumed_without_doing_work_twice(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", 3 * BATCH + 5)
    rows = names([f"p{number}" for number in range(3 * BATCH + 5)])
    told: list[tuple[str, int, int]] = []
    first = Counting(stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        encode_folder(folder, rows, first, tmp_path / "cache", lambda *said: told.append(said), "posters")
    assert told == [("posters", done, 101) for done in (0, BATCH, 2 * BATCH)]
    second = Counting()
    found = encode_folder(folder, rows, second, tmp_path / "cache")
    assert (first.posters, second.posters) == (2 * BATCH, BATCH + 5)
    assert found.vectors.tolist() == [[number, 0, 255 - number] for number in range(3 * BATCH + 5)]
    assert found.facts["reused"] == 2 * BATCH
    third = Counting()
    assert encode_folder(folder, rows, third, tmp_path / "cache").vectors.tolist() == found.vectors.tolist()
    assert third.posters == 0


def test_a_killed_run_keeps_what_it_had_encoded(tmp_path: Path) -> None:
    """SIGKILL in the middle of the third batch, in a process of its own."""
    folder = folder_of(tmp_path / "pictures", 3 * BATCH)
    program = (
        "import os, signal, sys, pandas as pd\nfrom pathlib import Path\n"
        "from tests.features.test_pictures import BATCH, Counting, encode_folder\n"
        "class Killed(Counting):\n"
        "    def encode(self, pixels):\n"
        "        if self.batches == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().encode(pixels)\n"
        "ids = pd.Series([f'p{n}' for n in range(3 * BATCH)], dtype='str')\n"
        "encode_folder(Path(sys.argv[1]), [ids], Killed(), Path(sys.argv[2]))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(tmp_path / "cache")],
        cwd=ROOT,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    encoder = Counting()
    encode_folder(folder, names([f"p{number}" for number in range(3 * BATCH)]), encoder, tmp_path / "cache")
    assert encoder.posters == BATCH


def test_a_changed_file_is_encoded_anew_and_a_renamed_one_is_not(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "pictures", 2)
    encode_folder(folder, names(["p0", "p1"]), Counting(), tmp_path / "cache")
    (folder / "p1.png").rename(folder / "other.png")
    Image.new("RGB", (8, 8), GREEN).save(folder / "p0.png")
    encoder = Counting()
    found = encode_folder(folder, names(["p0", "other"]), encoder, tmp_path / "cache")
    assert encoder.posters == 1
    assert found.vectors.tolist() == [list(map(float, GREEN)), [1, 0, 254]]


def test_without_any_model_the_message_says_what_to_set(tmp_path: Path) -> None:
    movies = pd.DataFrame({"id": ["p0"], "imdb_id": [None]}, dtype="str")
    folder = folder_of(tmp_path / "pictures", 1)
    with pytest.raises(MissingModel, match=r"there is no file .*nowhere.h5"):
        read_posters(movies, folder, {"poster_model": str(tmp_path / "nowhere.h5")}, None)
    with pytest.raises(MissingModel, match=r"cannot read .*nowhere.tflite"):
        read_posters(movies, folder, {"poster_model": str(tmp_path / "nowhere.tflite")}, None)
