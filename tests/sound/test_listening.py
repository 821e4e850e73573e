"""The process that listens: what it is told, what it may not do, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from sound_files import patched_wav, write_file

from indexer.errors import MissingLibrary, SoundRefused, SoundUnavailable
from indexer.sound import listening
from indexer.sound.confinement import Limits
from indexer.sound.listening import FEATURES, choose_cache, listen

#: Generous, as the machine may be busy; what hangs is given its own, short limits.
LIMITS = Limits(start_s=120, wall_s=60)
START = """
import sys, os
from indexer.sound.confinement import Limits, confine, limit_memory
limits = Limits.from_arguments(sys.argv[1:])
limit_memory(limits)
strict = confine(limits)
print("ready", flush=True)
"""


def run_instead(code: str) -> list[str]:
    """A process that confines itself as the real one does, and then does something else."""
    return [sys.executable, "-c", START + code]


def test_a_real_mp3_is_heard(mp3):
    heard = listen(mp3, LIMITS)
    assert list(heard.features) == list(FEATURES)
    assert all(0 <= value <= 1 for value in heard.features.values())
    assert heard.container == "mp3"
    assert heard.duration_s == pytest.approx(8, abs=0.1)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(lambda mp3: mp3[: len(mp3) // 2], "cut short"), (lambda mp3: patched_wav(0xFFFFFFFE), "minutes long")],
    ids=["truncated", "4 GB claimed"],
)
def test_the_process_passes_its_refusal_on(mp3, make, reason):
    with pytest.raises(SoundRefused, match=reason):
        listen(make(mp3), LIMITS)


def test_what_hangs_is_killed_with_all_its_group(mp3, tmp_path):
    pids = tmp_path / "pids"
    # Before it is confined, it makes a process of its own, as one that escapes would.
    code = "import time\nwhile True: time.sleep(60)\n"
    early = f"""
import os, subprocess, sys
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{other.pid}}")
"""
    command = [sys.executable, "-c", early + START + code]
    with pytest.raises(SoundRefused, match="more time or memory"):
        listen(mp3, Limits(start_s=60, wall_s=0.2), command)
    for pid in map(int, pids.read_text().split()):
        assert is_gone(pid), f"process {pid} is still there"


def is_gone(pid: int) -> bool:
    """Wait until a process has ended; one that init has yet to collect counts as ended."""
    deadline = time.monotonic() + 30
    stat = Path(f"/proc/{pid}/stat")
    while time.monotonic() < deadline:
        try:
            if stat.read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        os.sched_yield()
    return False


@pytest.mark.parametrize(
    "code",
    [
        "held = bytearray(3 << 30)",
        "held = []\nwhile True: held.append(bytearray(64 << 20))",
        "while True: pass",
        "os.abort()",
        "print('x' * (1 << 20), flush=True)",
        "print('{\"features\": 1}')",
        "print('[]')",
    ],
    ids=["memory at once", "memory by and by", "processor", "crash", "flood", "wrong answer", "list"],
)
def test_a_decoder_that_comes_to_grief_is_a_refusal(mp3, code):
    limits = Limits(start_s=60, wall_s=30, cpu_s=1)
    with pytest.raises(SoundRefused, match="cannot be decoded"):
        listen(mp3, limits, run_instead(code))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
def test_a_decoder_that_was_taken_over_reaches_nothing(mp3, tmp_path):
    there = tmp_path / "there"
    there.write_text("as it was")
    code = (
        f"there, new = {str(there)!r}, {str(tmp_path / 'new')!r}"
        + """
import ctypes, json, socket, signal
def tried(do):
    try:
        do()
    except OSError as error:
        return error.errno
    return 0
found = [
    tried(lambda: socket.socket()), tried(lambda: os.execv('/bin/true', ['true'])),
    tried(lambda: os.kill(os.getppid(), 0)), tried(lambda: os.setsid()), tried(os.fork),
    tried(lambda: open(there, "w")), tried(lambda: open(there, "a")), tried(lambda: open(new, "x")),
    tried(lambda: os.open(new, os.O_RDONLY | os.O_CREAT)), tried(lambda: os.open(there, os.O_RDONLY | os.O_TRUNC)),
    tried(lambda: os.rename(there, new)), tried(lambda: os.unlink(there)), tried(lambda: os.symlink(there, new)),
    tried(lambda: os.mkdir(new)),
]
held = ctypes.CDLL(None, use_errno=True)
tgkill = {"x86_64": 234, "aarch64": 131}[os.uname().machine]
found.append(-held.syscall(tgkill, os.getppid(), os.getppid(), 0))
assert open(there).read() == "as it was" and held.syscall(tgkill, os.getpid(), os.getpid(), 0) == 0
print(json.dumps({"refused": f"{strict} {found} {sorted(os.environ)}"}))
"""
    )
    with pytest.raises(SoundRefused) as raised:
        listen(mp3, Limits(start_s=60, wall_s=30), run_instead(code))
    strict, rest = str(raised.value).split(" ", 1)
    calls, names = rest.rsplit("] [", 1)
    assert strict == "True"
    assert json.loads(calls + "]") == [1] * 15
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert there.read_text() == "as it was"
    assert "SEGUE" not in names
    assert "PATH" not in names.replace("'", "").split(", ")


def test_a_process_that_does_not_start_is_no_fault_of_the_file(mp3):
    with pytest.raises(SoundUnavailable, match="exit code 7"):
        listen(mp3, LIMITS, [sys.executable, "-c", "raise SystemExit(7)"])
    with pytest.raises(SoundUnavailable, match=r"not within 0\.2 s"):
        listen(mp3, Limits(start_s=0.2), [sys.executable, "-c", "import time; time.sleep(60)"])


def test_without_the_libraries_it_says_what_to_install(mp3, monkeypatch):
    monkeypatch.setattr(listening, "_LIBRARIES", ("soundfile", "no_such_library"))
    with pytest.raises(MissingLibrary, match=r"no_such_library: .*requirements\.txt"):
        listen(mp3)


def test_compiled_code_is_kept_where_nobody_else_can_write(mp3, tmp_path, monkeypatch):
    assert choose_cache(tmp_path) == {}
    monkeypatch.setattr(listening.tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"segue-compiled-{os.getuid()}"
    # Where librosa's own folder cannot be written, nor can one that is not there.
    assert choose_cache(tmp_path / "none") == {"NUMBA_CACHE_DIR": str(folder)}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert choose_cache(tmp_path / "none") == {"NUMBA_CACHE_DIR": str(folder)}
    folder.chmod(0o777)
    with pytest.raises(SoundUnavailable, match="not a folder of this user's own"):
        choose_cache(tmp_path / "none")
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(SoundUnavailable, match="not a folder of this user's own"):
        choose_cache(tmp_path / "none")


def test_an_answer_with_numbers_beyond_their_range_is_refused(mp3):
    answer = {
        "features": dict.fromkeys(FEATURES, 0.5) | {"energy": 7},
        "tempo_bpm": 100,
        "loudness_db": -10,
        "duration_s": 5,
        "container": "mp3",
    }
    with pytest.raises(SoundRefused, match="cannot be decoded"):
        listen(mp3, LIMITS, run_instead(f"print({json.dumps(answer)!r})"))
    answer["features"] = dict.fromkeys(FEATURES, 0.5)
    heard = listen(mp3, LIMITS, run_instead(f"print({json.dumps(answer)!r})"))
    assert (heard.tempo_bpm, heard.loudness_db) == (100.0, -10.0)


def test_files_of_more_than_the_middle_are_measured_in_bounds():
    import numpy as np

    from indexer.sound.decoding import decode

    random = np.random.default_rng(2)
    sound = decode(write_file((random.standard_normal(90 * 8_000) / 10).astype(np.float32), 8_000))
    assert len(sound.samples) == 60 * 22_050
    assert sound.duration_s == 90
