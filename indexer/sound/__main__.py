"""The process that listens to one file: bytes on standard input, one line of JSON on standard output.

``indexer.sound.listening`` runs it. It limits itself before it reads the first byte.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from indexer.errors import NotSound, SoundRefused
from indexer.sound.confinement import Limits, confine, limit_memory
from indexer.sound.containers import MOST_BYTES
from indexer.sound.listening import READY


def main() -> int:
    """Listen to standard input; 0 with an answer or a refusal, anything else where the file was too much."""
    limits = Limits.from_arguments(sys.argv[1:])
    limit_memory(limits)
    # Loaded, and its code compiled, before the limits that forbid writing files.
    from indexer.sound import decoding, estimator

    estimator.warm_up()
    confine(limits)
    _say(READY)
    try:
        sound = decoding.decode(sys.stdin.buffer.read(MOST_BYTES + 1))
        answer: dict[str, Any] = estimator.estimate(sound)
    except SoundRefused as error:
        answer = {"refused": str(error), "not_sound": isinstance(error, NotSound)}
    except MemoryError:
        return 3
    _say(json.dumps(answer, allow_nan=False))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
