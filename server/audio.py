"""Songs that come as files: heard in a process of their own, a few at a time; knows no HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Final

from indexer.catalogue.records import track_from_cells
from indexer.errors import SoundUnavailable
from indexer.sound.confinement import Limits
from indexer.sound.listening import Heard, listen
from indexer.unseen_items import UnseenTrack

#: The id that answers name a file's song by.
UPLOAD_ID: Final = "upload"
#: Files that one worker listens to at a time: each takes a processor for seconds and some 500 MB.
AT_A_TIME: Final = 1
#: A reply is due within the time that a worker gives a request, 30 s unless set; this leaves some for the upload.
LIMITS: Final = Limits(start_s=12.0, wall_s=10.0)
BUSY_WAIT_S: Final = 5
#: Features too unsure to search by (docs/sound.md): a part that is missing misleads less than a wrong one.
UNSURE: Final = ("instrumentalness", "liveness")


@dataclass(frozen=True, slots=True)
class Upload:
    """What was heard in a file, and the song as a search takes it."""

    heard: Heard
    song: UnseenTrack


class Listener:
    """Listens to files, so many at a time; what more come are refused rather than kept waiting."""

    def __init__(self, at_a_time: int = AT_A_TIME) -> None:
        self._places = threading.BoundedSemaphore(at_a_time)

    def listen(self, content: bytes) -> Upload:
        """Listen to a file; raises as ``indexer.sound.listening.listen`` does, and SoundUnavailable while busy."""
        if not self._places.acquire(blocking=False):
            raise SoundUnavailable("another file is being listened to; try again shortly", BUSY_WAIT_S)
        try:
            heard = listen(content, LIMITS)
        finally:
            self._places.release()
        return Upload(heard, make_song(heard))


def make_song(heard: Heard) -> UnseenTrack:
    """Make a song of what was heard: those features that can be told, and nothing known beyond them."""
    known = {"id": UPLOAD_ID, "title": "", "loudness": heard.loudness_db, "tempo": heard.tempo_bpm}
    told = {name: value for name, value in heard.features.items() if name not in UNSURE}
    track = track_from_cells(known | told)
    return UnseenTrack(replace(track, title=""))
