"""``train-mel`` from files to weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.__main__ import main
from indexer.mel.network import FEATURES
from indexer.mel.weights import MelNetwork, read_manifest


@pytest.fixture
def archive(tmp_path: Path, write_sound: Callable[[Path, float], Path]) -> tuple[Path, Path]:
    """Twelve clips by six artists as the archive files them, one of them broken; and their table."""
    audio = tmp_path / "fma"
    lines = [f"folder,fileName,artist,{','.join(FEATURES)}"]
    for at in range(12):
        write_sound(audio / f"00{at % 2}" / f"00{at % 2}{at:03}.wav", 300 * (at + 1))
        values = ",".join([str(round(at / 12, 3))] * 7)
        lines.append(f"/00{at % 2},00{at % 2}{at:03}.mp3,artist {at // 2},{values}")
    (audio / "000" / "000000.wav").write_bytes(b"broken")
    table = tmp_path / "features.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return audio, table


def train_mel(archive: tuple[Path, Path], out: Path, *more: str) -> int:
    audio, table = archive
    return main(["train-mel", "--audio", str(audio), "--features", str(table), "--out", str(out), *more])


def test_a_folder_of_clips_becomes_weights_and_a_table_of_errors(
    archive: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights"
    assert train_mel(archive, out, "--epochs", "2", "--batch", "4", "--validation", "0.3") == 0
    printed = capsys.readouterr()
    manifest = read_manifest(out)
    assert manifest["finished"] is True
    assert manifest["data"] == {
        "features": "features.csv",
        "clips": 11,
        "split_by": "artist",
        "dropped": {
            "no audio file": 0,
            "a feature is missing or outside [0, 1]": 0,
            "file named before": 0,
            "cannot be read": 1,
        },
    }
    assert sum(manifest["clips"].values()) == 11
    assert manifest["weights"]["sha256"] in printed.out
    lines = printed.out.splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == [*FEATURES, "all"]
    assert "split by artist" in printed.err
    assert "1 files cannot be read, such as 000000.wav" in printed.err
    assert "epoch 2: loss" in printed.err
    MelNetwork.open(out)
    assert sorted(path.suffix for path in out.iterdir()) == [".h5", ".json"]
    assert train_mel(archive, out) == 1
    assert "--overwrite replaces them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--epochs", "0"), "--epochs must be at least 1"),
        (("--limit", "0"), "--limit must be at least 1"),
        (("--validation", "1"), "--validation must be between 0 and 1"),
        (("--learning-rate", "0"), "--learning-rate must be above 0"),
        (("--features", "none.csv"), "none.csv: cannot be read"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    archive: tuple[Path, Path],
    tmp_path: Path,
    more: tuple[str, str],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train_mel(archive, tmp_path / "weights", *more) == 1
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
    assert not (tmp_path / "weights").exists()
