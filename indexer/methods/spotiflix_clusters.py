"""SpotiFlix's second idea: a song fits the films whose soundtracks have music of its kind.

As in the SpotiFlix project report: songs and the songs of soundtracks are each put into 500 clusters (k-means on
seven audio features), each song cluster is translated to the soundtrack cluster with the nearest centroid, and
a network 7-512-256-128-500 learns to say which cluster a song is in; a song gets the films of its cluster's
translation.

A soundtrack file may hold the very songs that a catalogue's known pairs name. On films that it covers the method
has seen the answers, and an evaluation on pairs drawn from them flatters it; every other film it cannot find
at all. ``facts["films"]`` says how many are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.errors import MissingMaterial, UnreadableFile, UnsupportedQuery, VersionDamaged
from indexer.methods.audio_table import (
    Features,
    Labels,
    classify_songs,
    cluster_songs,
    measure_distances,
    read_audio_table,
    read_fitted,
    track_features,
    write_fitted,
)
from indexer.methods.method import Floats, Material, Method, Rows

if TYPE_CHECKING:
    import pandas as pd

_SONGS, _SOUNDTRACKS = "clip_features", "soundtrack_features"
_FEWEST_ROWS = 4
#: Figures that the report publishes, for the reader to hold ours against.
_PAPER = {"songs_silhouette": 0.13, "soundtracks_silhouette": 0.30, "validation_accuracy": 0.82}

_KINDS = {
    "track_clusters": (np.int64, 1),
    "translation": (np.int64, 1),
    "distances": (np.float32, 2),
    "film_rows": (np.int64, 1),
    "film_starts": (np.int64, 1),
    "film_clusters": (np.int64, 1),
    "counts": (np.int64, 1),
}


@dataclass(frozen=True)
class SpotiflixClusters(Method):
    """Songs and films by cluster. All arrays int64 but ``distances``.

    ``track_clusters`` (tracks,): a song's cluster, −1 unknown. ``translation`` (k,): song cluster → soundtrack
    cluster. ``distances`` (s, s) float32: between soundtrack centroids. ``film_rows`` (f,): the films with
    soundtrack songs; the clusters of the i-th are ``film_clusters[film_starts[i]:film_starts[i + 1]]``.
    ``counts``: films and tracks of the catalogue.

    A score is 1 / (1 + d), d the distance from the song's soundtrack cluster to the nearest one that the film has
    a song in: 1 in the matched cluster, less the further away, and 0 where the song or the film is unknown.
    """

    name = "spotiflix-clusters"
    about = "SpotiFlix: films with a soundtrack song in the cluster (k-means, audio features) matched to the song's"

    arrays: Mapping[str, npt.NDArray[Any]]
    figures: Mapping[str, Any]

    @classmethod
    def fit(cls, material: Material) -> Self:
        """Cluster the songs of ``clip_features`` (else the catalogue's) and those of ``soundtrack_features``.

        Both files hold the seven features; the latter also ``movie_name``, met with the catalogue by title. Raises
        ``MissingMaterial``, ``UnreadableFile`` or ``MissingColumn``.
        """
        soundtracks = read_audio_table(material, _SOUNDTRACKS, names=("movie_name",))
        if len(soundtracks.cells) < _FEWEST_ROWS:
            raise UnreadableFile(f"{soundtracks.path}: fewer than {_FEWEST_ROWS} usable rows to cluster")
        heard, known = track_features(material.catalogue.tracks)
        songs, origin = _song_features(material, heard[known])
        song_labels, song_centroids, song_figures = cluster_songs(songs, material.seed)
        labels, centroids, soundtrack_figures = cluster_songs(soundtracks.features, material.seed)
        predicted, network_figures = classify_songs(songs, song_labels, heard[known], material.seed)
        nearest = np.argmin(measure_distances(heard[known], song_centroids), axis=1)
        track_clusters = np.full(len(heard), -1, dtype=np.int64)
        track_clusters[known] = predicted
        film_of_name, film_figures = _match_films(soundtracks.cells["movie_name"], material.catalogue.movies)
        pairs = np.unique(np.stack([film_of_name, labels], axis=1)[film_of_name >= 0], axis=0)
        film_rows, starts = np.unique(pairs[:, 0], return_index=True)
        arrays = {
            "track_clusters": track_clusters,
            "translation": np.argmin(measure_distances(song_centroids, centroids), axis=1).astype(np.int64),
            "distances": measure_distances(centroids, centroids).astype(np.float32),
            "film_rows": film_rows.astype(np.int64),
            "film_starts": starts.astype(np.int64),
            "film_clusters": pairs[:, 1].astype(np.int64),
            "counts": np.array([len(material.catalogue.movies), len(heard)], dtype=np.int64),
        }
        agreement = round(float(np.mean(predicted == nearest)), 4) if len(nearest) else None
        figures = {
            "paper": dict(_PAPER),
            "songs": {"from": origin, **song_figures},
            "soundtracks": {"from": _SOUNDTRACKS, "dropped_rows": soundtracks.dropped, **soundtrack_figures},
            "network": {**network_figures, "agrees_with_nearest_centroid": agreement},
            "films": {**film_figures, "films": len(material.catalogue.movies), "known": len(film_rows)},
            "tracks": {"tracks": len(heard), "unknown": int((~known).sum())},
        }
        return cls(arrays, figures)

    def scores(self, source: Medium, rows: Rows, target: Medium) -> Floats:
        """Score by distance between clusters, (rows, items) float32 in [0, 1]; 0 where either side is unknown.

        Raises ``UnsupportedQuery`` within a medium: the method matches songs with films only.
        """
        if source == target:
            raise UnsupportedQuery(
                f"{self.name} matches songs with films, not {source} with {target}", "target"
            )
        movies, tracks = self.arrays["counts"]
        if source == "tracks":
            scores = np.zeros((len(rows), movies), dtype=np.float32)
            clusters = self.arrays["track_clusters"][rows]
            known = clusters >= 0
            near = self._near_films()[self.arrays["translation"][clusters[known]]]
            scores[np.ix_(known, self.arrays["film_rows"])] = near
            return scores
        scores = np.zeros((len(rows), tracks), dtype=np.float32)
        films = self.arrays["film_rows"]
        at = np.searchsorted(films, rows)
        known = np.isin(rows, films)
        # By song cluster first: a song unknown to the method takes the last column, which is 0.
        by_cluster = np.zeros((len(rows), len(self.arrays["translation"]) + 1), dtype=np.float32)
        by_cluster[known, :-1] = self._near_films()[self.arrays["translation"]][:, at[known]].T
        scores[:] = by_cluster[:, self.arrays["track_clusters"]]
        return scores

    @property
    def known_films(self) -> Rows:
        """Rows of the films that the soundtrack file names, ascending: the method has heard their songs."""
        return self.arrays["film_rows"]

    def _near_films(self) -> Floats:
        """Scores of the known films for each soundtrack cluster, (s, f) float32."""
        starts = self.arrays["film_starts"]
        if not len(starts):
            return np.zeros((len(self.arrays["distances"]), 0), dtype=np.float32)
        nearest = np.minimum.reduceat(
            self.arrays["distances"][:, self.arrays["film_clusters"]], starts, axis=1
        )
        near: Floats = np.float32(1.0) / (np.float32(1.0) + nearest)
        return near

    @property
    def facts(self) -> Mapping[str, Any]:
        """Silhouettes, spreads and accuracy beside the report's, and how many films and songs are known."""
        return self.figures

    def write(self, folder: Path) -> None:
        """Write one .npy an array, and the figures."""
        write_fitted(folder, self.arrays, self.figures)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what ``write`` wrote; raises ``VersionDamaged``."""
        arrays, figures = read_fitted(folder, _KINDS)
        wrong = _find_fault(arrays)
        if wrong:
            raise VersionDamaged(f"{folder.name}/{wrong}.npy: does not fit the other files")
        return cls(arrays, figures)


def _find_fault(arrays: Mapping[str, npt.NDArray[Any]]) -> str | None:
    """The first array whose values point outside the others; scoring could then be silently wrong."""

    def within(name: str, low: int, end: int) -> bool:
        return bool(np.all((arrays[name] >= low) & (arrays[name] < end)))

    if len(arrays["counts"]) != 2:
        return "counts"
    size, films, pairs = len(arrays["distances"]), len(arrays["film_rows"]), len(arrays["film_clusters"])
    starts, rows = arrays["film_starts"], arrays["film_rows"]
    first = not films or starts[:1].tolist() == [0]
    sound = {
        "distances": arrays["distances"].shape == (size, size) and bool(np.all(arrays["distances"] >= 0)),
        "translation": within("translation", 0, size),
        "track_clusters": len(arrays["track_clusters"]) == arrays["counts"][1]
        and within("track_clusters", -1, len(arrays["translation"])),
        "film_rows": within("film_rows", 0, int(arrays["counts"][0])) and bool(np.all(np.diff(rows) > 0)),
        "film_starts": len(starts) == films
        and first
        and within("film_starts", 0, pairs)
        and bool(np.all(np.diff(starts) > 0)),
        "film_clusters": within("film_clusters", 0, size),
    }
    return next((name for name, fits in sound.items() if not fits), None)


def _song_features(material: Material, heard: Features) -> tuple[Features, str]:
    """The songs to cluster, (n, 7), and where they are from."""
    if _SONGS in material.files:
        table = read_audio_table(material, _SONGS)
        if len(table.cells) < _FEWEST_ROWS:
            raise UnreadableFile(f"{table.path}: fewer than {_FEWEST_ROWS} usable rows to cluster")
        return table.features, _SONGS
    if len(heard) < _FEWEST_ROWS:
        raise MissingMaterial(f"{_SONGS}: not given, and the catalogue has too few songs with audio features")
    return heard, "catalogue"


def _match_films(names: pd.Series[str], movies: pd.DataFrame) -> tuple[Labels, dict[str, Any]]:
    """The catalogue row of each film name, (n,) with −1 for none, and how the matching went.

    By title as compared in look-up, then by original title; of several films the one with most votes. A
    series that shares its name with a film is taken for it: the file does not say which it means.
    """
    from indexer.title_lookup import make_key

    votes = movies["votes"].fillna(-1.0).tolist()
    by_title: dict[str, list[int]] = {}
    by_original: dict[str, list[int]] = {}
    for found, column in ((by_title, "title"), (by_original, "original_title")):
        for row, title in enumerate(movies[column].fillna("").tolist()):
            key = make_key(str(title))
            if key:
                found.setdefault(key, []).append(row)
    rows: dict[str, int] = {}
    ambiguous = 0
    for name in _distinct(names.tolist()):
        key = make_key(name)
        candidates = by_title.get(key) or by_original.get(key) or []
        ambiguous += len(candidates) > 1
        rows[name] = max(candidates, key=lambda row: (votes[row], -row), default=-1)
    unmatched = sum(row < 0 for row in rows.values())
    figures = {"names": len(rows), "unmatched": unmatched, "ambiguous": ambiguous}
    return np.array([rows[name] for name in names.tolist()], dtype=np.int64), figures


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
