"""Listening to a file that nobody vouches for: decoded and measured in a confined process, which may come to grief.

Loads no library of sound itself, so that a server can.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from indexer.errors import MissingLibrary, NotSound, SoundRefused, SoundUnavailable
from indexer.sound.confinement import Limits
from indexer.sound.containers import check_size, tell_container

#: The seven audio features, in the order of the Spotify data.
FEATURES: Final = (
    "danceability",
    "energy",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
)
#: What the process prints once it is confined and about to read the file.
READY: Final = "ready"
DEFAULT_LIMITS: Final = Limits()

_ROOT: Final = Path(__file__).resolve().parents[2]
_COMMAND: Final = (sys.executable, "-m", "indexer.sound")
_LIBRARIES: Final = ("soundfile", "librosa", "scipy")
_POLL_S: Final = 0.01
#: Where numba keeps librosa's compiled code if not beside librosa: one folder for each user.
_CACHE_NAME: Final = "segue-compiled-{user}"
#: Nothing of the caller's environment gets in: it may hold keys and passwords. One thread each is all the work takes.
_ENVIRONMENT: Final = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_BROKEN: Final = (
    "the file cannot be decoded: it is damaged, or made to take more time or memory than any piece needs"
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was estimated of a piece: ``features`` has the seven, in [0, 1]; loudness in LUFS; tempo None if none."""

    features: dict[str, float]
    tempo_bpm: float | None
    loudness_db: float
    duration_s: float
    container: str


def check_libraries() -> None:
    """Raise ``MissingLibrary`` where what decodes and measures sound is not installed; loads none of it."""
    missing = [name for name in _LIBRARIES if find_spec(name) is None]
    if missing:
        raise MissingLibrary(
            f"listening to files needs {', '.join(missing)}: python -m pip install -r requirements.txt"
        )


def listen(content: bytes, limits: Limits = DEFAULT_LIMITS, command: Sequence[str] = _COMMAND) -> Heard:
    """Estimate the features of a sound file, whatever it is, in a process of its own.

    Raises ``SoundRefused`` (``NotSound`` for what is no mp3, ogg, wav or flac) with what is wrong with the file, also
    where it made the process crash or run over its limits; ``MissingLibrary``; ``SoundUnavailable`` where the process
    did not get as far as to read the file.
    """
    check_size(len(content))
    tell_container(content[:16])
    check_libraries()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed:
        given.write(content)
        given.seek(0)
        environment = _ENVIRONMENT | choose_cache()
        ended = _run([*command, *limits.arguments()], environment, given.fileno(), printed.fileno(), limits)
        printed.seek(0)
        lines = printed.read(limits.answer_bytes).decode("utf-8", "replace").splitlines()
    if READY not in lines[:1]:
        raise SoundUnavailable(f"the process that listens did not start ({ended})")
    try:
        answer = json.loads(lines[1])
        return _read_answer(answer)
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise SoundRefused(_BROKEN) from error


def choose_cache(library: Path | None = None) -> dict[str, str]:
    """Say where compiled code is kept, as the process's environment has it; nothing if beside ``library``, librosa.

    numba does so by itself where it may write there, and finds no place in a server that has no home folder: librosa
    would not load. Raises ``SoundUnavailable`` where the folder may be written by others, as what it holds is run.
    """
    if library is None:
        found = find_spec("librosa")
        library = Path(found.origin).parent if found is not None and found.origin is not None else _ROOT
    if os.access(library, os.W_OK):
        return {}
    folder = Path(tempfile.gettempdir()) / _CACHE_NAME.format(user=os.getuid())
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise SoundUnavailable(f"{folder} is not a folder of this user's own: remove it")
    return {"NUMBA_CACHE_DIR": str(folder)}


def _run(
    command: Sequence[str], environment: dict[str, str], given: int, printed: int, limits: Limits
) -> str:
    """Run the process to its end, or to the end of its time; nothing of its group is left. Says how it ended."""
    process = subprocess.Popen(
        command,
        stdin=given,
        stdout=printed,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        env=environment,
        start_new_session=True,
        close_fds=True,
    )
    try:
        started = time.monotonic()
        while process.poll() is None and os.fstat(printed).st_size == 0:
            if time.monotonic() - started > limits.start_s:
                return f"not within {limits.start_s:g} s"
            _wait(process, _POLL_S)
        _wait(process, limits.wall_s)
        return "out of time" if process.returncode is None else f"exit code {process.returncode}"
    finally:
        # The group, as the process may have made others; the seccomp filter refuses that only where there is one.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout_s)


def _read_answer(answer: dict[str, Any]) -> Heard:
    """Read the process's answer as strictly as anything else from outside: what decodes may have been taken over."""
    if "refused" in answer:
        kind = NotSound if answer.get("not_sound") is True else SoundRefused
        raise kind(str(answer["refused"])[:300])
    features = {name: float(answer["features"][name]) for name in FEATURES}
    tempo = answer["tempo_bpm"]
    heard = Heard(
        features,
        None if tempo is None else float(tempo),
        float(answer["loudness_db"]),
        float(answer["duration_s"]),
        str(answer["container"])[:8],
    )
    numbers = [heard.loudness_db, heard.duration_s, 0.0 if heard.tempo_bpm is None else heard.tempo_bpm]
    if not all(0 <= value <= 1 for value in features.values()) or not all(
        abs(value) < 1e6 for value in numbers
    ):
        raise ValueError("numbers beyond their range")
    return heard
