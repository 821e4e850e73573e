"""The vector cache: what was put is got, whatever happened to the file in between."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import ConfigError
from indexer.vector_cache import VectorCache, content_key

ROOT = Path(__file__).resolve().parents[1]
KEYS = [content_key(text) for text in (b"a", b"b", b"c", b"d")]
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) / 4


def cache(folder: Path, model: str = "model 1") -> VectorCache:
    return VectorCache(folder, model, 3)


def filled(folder: Path) -> Path:
    with cache(folder) as some:
        some.put(KEYS[:2], ROWS[:2])
        some.put(KEYS[2:3], ROWS[2:3])
        return some.path


def test_a_key_is_the_contents_sha256() -> None:
    assert content_key(b"abc").hex() == hashlib.sha256(b"abc").hexdigest()


def test_what_was_put_is_got_by_the_next_process(tmp_path: Path) -> None:
    filled(tmp_path)
    with cache(tmp_path) as again:
        found, rows = again.get([KEYS[2], KEYS[3], KEYS[0]])
        assert found.tolist() == [True, False, True]
        assert rows.tolist() == [ROWS[2].tolist(), [0, 0, 0], ROWS[0].tolist()]
        assert rows.dtype == np.float32
        assert (again.reused, again.encoded, len(again)) == (2, 0, 3)


def test_models_do_not_share_vectors(tmp_path: Path) -> None:
    filled(tmp_path)
    with cache(tmp_path, "model 2") as other, VectorCache(tmp_path, "model 1", 4) as wider:
        assert other.get(KEYS)[0].tolist() == [False] * 4
        assert wider.get(KEYS)[0].tolist() == [False] * 4


def test_a_known_key_keeps_its_first_vector_and_costs_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path)
    size = path.stat().st_size
    with cache(tmp_path) as again:
        again.put([KEYS[0]], ROWS[3:4])
        assert again.encoded == 0
        again.put([KEYS[3], KEYS[3]], ROWS[2:4])
        assert again.encoded == 1
        assert again.get([KEYS[0], KEYS[3]])[1].tolist() == ROWS[[0, 2]].tolist()
    assert path.stat().st_size == size + 32 + 3 * 4 + 4


def test_half_precision_takes_half_the_room(tmp_path: Path) -> None:
    with VectorCache(tmp_path, "model 1", 3, "float16") as small:
        small.put(KEYS, ROWS)
        assert small.get(KEYS)[1].tolist() == ROWS.tolist()
        head = len(small.path.read_bytes().partition(b"\n")[0]) + 1
        assert small.path.stat().st_size == head + 4 * (32 + 3 * 2 + 4)


@pytest.mark.parametrize("torn", [1, 20, 47])
def test_a_torn_tail_is_cut_off_and_the_rest_stays(
    tmp_path: Path, torn: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = filled(tmp_path)
    os.truncate(path, path.stat().st_size - torn)
    with cache(tmp_path) as again:
        assert again.get(KEYS)[0].tolist() == [True, True, False, False]
        again.put(KEYS[2:], ROWS[2:])
    assert "cut off" in caplog.text
    with cache(tmp_path) as whole:
        assert whole.get(KEYS)[1].tolist() == ROWS.tolist()


def test_a_header_that_was_cut_short_begins_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    os.truncate(path, 10)
    with cache(tmp_path) as again:
        assert again.get(KEYS)[0].tolist() == [False] * 4
        again.put(KEYS, ROWS)
    with cache(tmp_path) as whole:
        assert whole.get(KEYS)[1].tolist() == ROWS.tolist()


def test_a_damaged_record_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"\n") + 1 + 48 + 32 + 5] ^= 4  # in the second record's vector
    path.write_bytes(content)
    with cache(tmp_path) as again:
        assert again.get(KEYS)[0].tolist() == [True, False, True, False]
    assert "1 damaged" in caplog.text


def test_two_that_write_at_once_do_not_mix(tmp_path: Path) -> None:
    with cache(tmp_path) as one, cache(tmp_path) as two:
        one.put(KEYS[:1], ROWS[:1])
        two.put(KEYS[1:2], ROWS[1:2])
        one.put(KEYS[2:3], ROWS[2:3])
        assert one.get(KEYS)[1].tolist() == [*ROWS[:1].tolist(), [0, 0, 0], ROWS[2].tolist(), [0, 0, 0]]
        assert two.get(KEYS[1:2])[1].tolist() == ROWS[1:2].tolist()
    with cache(tmp_path) as whole:
        assert whole.get(KEYS[:3])[1].tolist() == ROWS[:3].tolist()


def test_what_was_put_outlives_a_kill(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, numpy\nfrom pathlib import Path\n"
        "from indexer.vector_cache import VectorCache, content_key\n"
        "cache = VectorCache(Path(sys.argv[1]), 'model 1', 3)\n"
        "cache.put([content_key(b'a')], numpy.full((1, 3), 0.5, numpy.float32))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with cache(tmp_path) as again:
        assert again.get(KEYS[:1])[1].tolist() == [[0.5, 0.5, 0.5]]


def test_a_full_disk_leaves_whole_records_only(tmp_path: Path) -> None:
    """The limit on a file's size stands for a full disk: the kernel writes a part and then refuses."""
    program = (
        "import resource, signal, sys, numpy\nfrom pathlib import Path\n"
        "from indexer.vector_cache import VectorCache, content_key\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "cache = VectorCache(Path(sys.argv[1]), 'model 1', 3)\n"
        "cache.put([content_key(b'a')], numpy.full((1, 3), 0.5, numpy.float32))\n"
        "limit = cache.path.stat().st_size + 70\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        "try:\n    cache.put([content_key(b'b'), content_key(b'c')], numpy.ones((2, 3), numpy.float32))\n"
        "except OSError as error:\n    print(type(error).__name__, cache.path.stat().st_size - limit + 70)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, timeout=60, capture_output=True, text=True
    )
    assert ended.stdout == "OSError 0\n", ended.stderr
    with cache(tmp_path) as again:
        assert again.get(KEYS)[0].tolist() == [True, False, False, False]


def test_senseless_rows_are_refused(tmp_path: Path) -> None:
    with cache(tmp_path) as some:
        with pytest.raises(ConfigError, match="vectors of 3 numbers"):
            some.put(KEYS, ROWS[:, :2])
        with pytest.raises(ConfigError, match="32 bytes"):
            some.put([b"short"], ROWS[:1])
    with pytest.raises(ConfigError, match="0 dimensions"):
        VectorCache(tmp_path, "model 1", 0)


def test_nothing_is_said_of_an_ordinary_opening(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    filled(tmp_path)
    with cache(tmp_path):
        assert caplog.text == ""
