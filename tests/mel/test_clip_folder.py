"""Folders of audio beside tables of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from indexer.errors import InputError, MissingColumn, UnreadableFile
from indexer.mel.clip_folder import list_clips, read_clips, split_groups, take_clips
from indexer.mel.decoding import decode_clip
from indexer.mel.network import FEATURES

Floats = npt.NDArray[np.float32]
HEADER = ",".join(FEATURES)


def write_table(path: Path, columns: str, rows: Sequence[str]) -> Path:
    lines = [f"{columns},{HEADER}", *(row if row.count(",") > 5 else f"{row}{',0.5' * 7}" for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def names(folder: Path, paths: Sequence[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_the_archives_folders_and_names_are_met_whatever_the_ending(tmp_path: Path) -> None:
    audio = touch(tmp_path / "fma", "000/000002.mp3", "000/000003.MP3", "001/001999.ogg", "001/cover.jpg")
    table = write_table(
        tmp_path / "t.csv",
        "folder,fileName",
        ["/000,000002.wav", "/000,000003.wav", "/001,001999.wav", "/002,002000.wav", "/000,000002.mp3"],
    )
    listing = list_clips(audio, table)
    assert names(audio, listing.paths) == ["000/000002.mp3", "000/000003.MP3", "001/001999.ogg"]
    assert listing.dropped == {
        "no audio file": 1,
        "a feature is missing or outside [0, 1]": 0,
        "file named before": 1,
    }
    assert not listing.by_artist
    assert len(set(listing.groups)) == 3


def test_ids_name_files_of_the_archive_or_of_a_flat_folder(tmp_path: Path) -> None:
    audio = touch(tmp_path / "a", "134/134567.mp3", "000/000010.mp3", "7aBc.flac", "5.wav")
    table = write_table(tmp_path / "t.csv", "track_id", ["134567", "10", "7aBc", "5", "6"])
    assert names(audio, list_clips(audio, table).paths) == [
        "134/134567.mp3",
        "000/000010.mp3",
        "7aBc.flac",
        "5.wav",
    ]


def test_features_are_read_by_name_and_bad_rows_are_counted(tmp_path: Path) -> None:
    audio = touch(tmp_path / "a", "x.wav", "y.wav", "z.wav", "n.wav")
    rows = ["x,0.1,0.2,0.3,0.4,0.5,0.6,0.7", "y,0.1,0.2,0.3,1.4,0.5,0.6,0.7"]
    rows += ["z,0.1,,0.3,0.4,0.5,0.6,0.7", "n,0.1,nan,0.3,0.4,0.5,0.6,0.7"]
    listing = list_clips(audio, write_table(tmp_path / "t.csv", "track_id", rows))
    np.testing.assert_allclose(listing.targets, [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]])
    assert listing.dropped["a feature is missing or outside [0, 1]"] == 3


def test_clips_of_one_artist_stay_together(tmp_path: Path) -> None:
    audio = touch(tmp_path / "a", *(f"{n}.wav" for n in range(60)))
    rows = [f"{n},{('Nina', 'NINA ', 'Ella', 'Bill', '')[n % 5]}" for n in range(60)]
    listing = list_clips(audio, write_table(tmp_path / "t.csv", "track_id,artist", rows))
    assert listing.by_artist
    assert len(set(listing.groups)) == 3 + 12
    for seed in range(10):
        held = split_groups(listing.groups, 0.3, seed)
        assert 0.15 <= held.mean() < 0.8
        assert {g for g, h in zip(listing.groups, held, strict=True) if h}.isdisjoint(
            {g for g, h in zip(listing.groups, held, strict=True) if not h}
        )
    np.testing.assert_array_equal(split_groups(listing.groups, 0.3, 4), split_groups(listing.groups, 0.3, 4))


def test_a_split_leaves_something_on_either_side() -> None:
    assert split_groups(["a", "b"], 0.99, 0).sum() == 1
    assert split_groups(["a", "b"], 0.01, 0).sum() == 1
    with pytest.raises(InputError, match="one artist"):
        split_groups(["a", "a"], 0.5, 0)


def test_some_of_the_clips_are_drawn_by_the_seed(tmp_path: Path) -> None:
    audio = touch(tmp_path / "a", *(f"{n}.wav" for n in range(9)))
    rows = [f"{n},{n / 10},0.2,0.3,0.4,0.5,0.6,0.7" for n in range(9)]
    listing = list_clips(audio, write_table(tmp_path / "t.csv", "track_id", rows))
    some = take_clips(listing, 4, seed=1)
    assert [int(path.stem) / 10 for path in some.paths] == pytest.approx(some.targets[:, 0].tolist())
    assert len(set(some.paths)) == 4
    assert take_clips(listing, 4, seed=1).paths == some.paths
    assert take_clips(listing, 99, seed=1).paths == listing.paths


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    audio = touch(tmp_path / "a", "x.wav")
    with pytest.raises(UnreadableFile, match=r"none\.csv"):
        list_clips(audio, tmp_path / "none.csv")
    with pytest.raises(MissingColumn, match="track_id"):
        list_clips(audio, write_table(tmp_path / "t.csv", "name", ["x"]))
    (tmp_path / "few.csv").write_text("track_id,energy\nx,0.5\n", encoding="utf-8")
    with pytest.raises(MissingColumn, match="acousticness, danceability, instrumentalness"):
        list_clips(audio, tmp_path / "few.csv")
    table = write_table(tmp_path / "t.csv", "track_id", ["y"])
    with pytest.raises(InputError, match="none of the 1 rows"):
        list_clips(audio, table)
    with pytest.raises(UnreadableFile, match="not a folder"):
        list_clips(tmp_path / "b", table)


def test_clips_that_cannot_be_decoded_are_left_out_with_a_reason(
    tmp_path: Path, write_sound: Callable[[Path, float], Path]
) -> None:
    audio = tmp_path / "a"
    for name, pitch in (("a.wav", 400), ("c.wav", 4000)):
        write_sound(audio / name, pitch)
    (audio / "b.wav").write_bytes(b"no sound at all")
    rows = [f"{name},{at / 10},0.2,0.3,0.4,0.5,0.6,0.7" for at, name in enumerate("abc")]
    listing = list_clips(audio, write_table(tmp_path / "t.csv", "track_id", rows))
    told: list[tuple[int, int]] = []
    clips, kept, failed = read_clips(
        listing, tmp_path / "scratch.npy", decode_clip, on_progress=lambda *at: told.append(at)
    )
    assert kept.tolist() == [0, 2]
    np.testing.assert_allclose(clips.targets[:, 0], [0.0, 0.2])
    assert list(failed) == ["b.wav"]
    assert told == [(1, 3), (2, 3), (3, 3)]
    loudest = clips.take(slice(None))[:, 0, :, 5].argmax(axis=1)
    assert loudest[0] < loudest[1]
    (audio / "a.wav").write_bytes(b"")
    (audio / "c.wav").write_bytes(b"")
    with pytest.raises(InputError, match="none of the 3 audio files"):
        read_clips(listing, tmp_path / "scratch.npy", decode_clip)


def test_the_middle_of_a_long_file_is_decoded(tmp_path: Path) -> None:
    import soundfile

    samples = np.zeros((8_000 * 30, 1), dtype=np.float32)
    samples[8_000 * 5 : 8_000 * 25] = 0.25
    soundfile.write(tmp_path / "long.wav", samples, 8_000, subtype="FLOAT")
    heard, rate_hz = decode_clip(tmp_path / "long.wav")
    assert (heard.shape, heard.dtype, rate_hz) == ((1, 160_000), np.float32, 8_000)
    assert heard.min() == heard.max() == 0.25
    soundfile.write(tmp_path / "none.wav", samples[:0], 8_000)
    with pytest.raises(UnreadableFile, match="no sound"):
        decode_clip(tmp_path / "none.wav")
