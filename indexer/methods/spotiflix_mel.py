"""SpotiFlix by ear: its clusters and translation, on audio features that its mel CNN read from the songs' sound.

As in the SpotiFlix project report: audio → mel spectrogram → CNN → seven features → song cluster → soundtrack
cluster → films. The features are read once, in the build; a version holds what they led to, and answering needs
numpy alone. Songs without an audio file have none: they cannot be asked for, and score 0 as answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium, split_cell
from indexer.errors import MissingMaterial, UnsupportedQuery
from indexer.methods.audio_table import FEATURES, Features
from indexer.methods.method import Floats, Material, Rows
from indexer.methods.spotiflix_clusters import SpotiflixClusters

if TYPE_CHECKING:
    import pandas as pd

_AUDIO, _MODEL, _SOUNDTRACKS = "audio_clips", "mel_model", "soundtrack_features"
_FEWEST_SONGS = 4
#: So many of the files that could not be read are named in the facts.
_NAMED_FAILURES = 20


class SpotiflixMel(SpotiflixClusters):
    """``SpotiflixClusters`` whose songs' features were read from audio files; ``track_clusters`` −1: no audio."""

    name = "spotiflix-mel"
    about = (
        "SpotiFlix by ear: as spotiflix-clusters, on features that its mel CNN read from the songs' own sound"
    )

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Read the songs of the folder ``audio_clips`` by the weights in ``mel_model``, then fit on what was read.

        Songs are clustered among ``clip_features``, or among themselves without it. Raises ``MissingMaterial``,
        ``MissingModel``, ``UnreadableFile`` or ``MissingColumn``.
        """
        for setting, what in (
            (_AUDIO, "a folder of audio files by song id"),
            (_MODEL, "a folder of weights made by train-mel"),
            (_SOUNDTRACKS, "a table of soundtracks' audio features"),
        ):
            if setting not in material.files:
                raise MissingMaterial(
                    f"{setting}: {cls.name} needs {what}, which was not given; set {setting}"
                )
        features, figures = _read_songs(material)
        tracks = material.catalogue.tracks.copy()
        tracks[list(FEATURES)] = features
        heard = replace(material, catalogue=replace(material.catalogue, tracks=tracks))
        fitted = super().fit(heard)
        return cls(fitted.arrays, {**fitted.figures, "audio": figures})

    def scores_together(self, rows: Mapping[Medium, Rows], target: Medium) -> Floats:
        """The mean over the inputs, (items,) float32; ``UnsupportedQuery`` for songs that were not heard."""
        songs = rows.get("tracks", np.zeros(0, dtype=np.int64))
        unheard = int((self.arrays["track_clusters"][songs] < 0).sum())
        if unheard:
            which = "this song" if len(songs) == 1 else f"{unheard} of these {len(songs)} songs"
            raise UnsupportedQuery(f"{self.name}: this version was built without audio of {which}", "tracks")
        return super().scores_together(rows, target)


def _read_songs(material: Material) -> tuple[Features, dict[str, Any]]:
    """Features of the catalogue's songs (n, 7) float64, NaN without audio, and how the reading went."""
    from indexer.mel.clip_folder import find_audio
    from indexer.mel.decoding import decode_clip
    from indexer.mel.readings import read_files
    from indexer.mel.weights import read_manifest

    folder, model = material.files[_AUDIO], material.files[_MODEL]
    if not folder.is_dir():
        raise MissingMaterial(f"{_AUDIO}: {folder} is not a folder of audio files")
    files = find_audio(folder)
    rows = _match_songs(files, material.catalogue.tracks)
    matched = np.flatnonzero(rows >= 0)
    if len(matched) < _FEWEST_SONGS:
        raise MissingMaterial(
            f"{_AUDIO}: {len(files)} audio files, {len(matched)} of them named by the id of a song in the catalogue; "
            f"at least {_FEWEST_SONGS} are needed"
        )
    paths = [files[at] for at in matched.tolist()]
    read = read_files(paths, model, decode_clip, material.cache, lambda *at: material.tell("mel", *at))
    heard = np.isfinite(read.features).all(axis=1)
    if heard.sum() < _FEWEST_SONGS:
        first = next(iter(read.failed.items()), ("", ""))
        raise MissingMaterial(f"{_AUDIO}: {int(heard.sum())} files could be read; {first[0]}: {first[1]}")
    features: Features = np.full((len(material.catalogue.tracks), len(FEATURES)), np.nan)
    features[rows[matched[heard]]] = read.features[heard]
    manifest = read_manifest(model)
    figures = {
        "files": len(files),
        "songs_heard": int(heard.sum()),
        "unmatched_files": int((rows < 0).sum()),
        "unread_files": len(read.failed),
        "unread": dict(list(read.failed.items())[:_NAMED_FAILURES]),
        "weights_sha256": manifest["weights"]["sha256"],
        "weights_finished": bool(manifest.get("finished", False)),
    }
    return features, figures


def _match_songs(files: list[Path], tracks: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The catalogue row of each file (n,), by the song's id or another id of it; −1 for none, and for a second file."""
    by_id: dict[str, int] = {}
    ids = zip(tracks["id"].tolist(), tracks["other_ids"].tolist(), strict=True)
    for row, (own, others) in enumerate(ids):
        for each in (own, *split_cell(others)):
            by_id.setdefault(each, row)
    rows = np.full(len(files), -1, dtype=np.int64)
    taken: set[int] = set()
    for at, path in enumerate(files):
        row = by_id.get(path.stem, -1) if path.stem else -1
        if row not in taken:
            rows[at] = row
            taken |= {row} - {-1}
    return rows
