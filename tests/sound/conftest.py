"""Sound files made by code."""

from __future__ import annotations

import importlib.util

import pytest

#: Tests here need what requirements.txt adds for sound.
_MISSING = [name for name in ("librosa", "soundfile", "scipy") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if _MISSING else []


@pytest.fixture(scope="session")
def mp3() -> bytes:
    """Eight seconds as a real mp3 file."""
    from sound_files import write_file

    from indexer.sound.synthesis import make_clip

    return write_file(make_clip(3, 8.0).samples.T, kind="MP3")
