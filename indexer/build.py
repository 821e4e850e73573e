"""The whole build: source files → catalogue → features → space → vector indexes → index version."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer import index_version as versions
from indexer.catalogue.catalogue import Catalogue, read_catalogue
from indexer.catalogue.records import Medium
from indexer.catalogue_store import write_store
from indexer.config import BuildConfig
from indexer.errors import VersionError, VersionNotFound
from indexer.features.encoder_export import export_encoder, find_weights
from indexer.features.mood import estimate_movie_mood, estimate_track_mood
from indexer.features.mood_scale import MoodScale
from indexer.features.text import describe_movies, describe_tracks
from indexer.features.text_encoder import TextEncoder
from indexer.filter_columns import FilterColumns
from indexer.space import MEDIA, ScoreCurve, Space
from indexer.vector_index import build_index

_logger = logging.getLogger(__name__)

#: Told (stage, done, total) while a build goes on.
Progress = Callable[[str, int, int], None]
_KEY_BYTES = 16
#: Fewer known pairs than this say too little about what a raw score is worth.
_LEAST_PAIRS = 50


@dataclass
class _Log:
    """Seconds by stage, and how many rows were encoded or taken over from the version before."""

    seconds: dict[str, float] = field(default_factory=dict)
    encoded: int = 0
    reused: int = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def build(config: BuildConfig, on_progress: Progress | None = None) -> str:
    """Build an index version, publish it unless told not to, and return its name.

    Raises a ``SegueError`` on anything wrong with input or settings; what was published then stays published.
    """
    log = _Log()
    tell = on_progress or (lambda _stage, _done, _total: None)
    with versions.lock(config.indexes), versions.new_folder(config.indexes) as folder:
        with log.stage("catalogue"):
            catalogue = read_catalogue(config.movies, config.tracks, config.soundtracks, config.preset)
            if config.report is not None:
                catalogue.report.write(config.report)
        tables = {"movies": catalogue.movies, "tracks": catalogue.tracks}
        with log.stage("store"):
            write_store(folder / versions.CATALOGUE, catalogue.movies, catalogue.tracks)
            for medium in MEDIA:
                FilterColumns.from_table(medium, tables[medium]).write(
                    folder / versions.filters_folder(medium)
                )
        with log.stage("mood"):
            raw = {
                "movies": estimate_movie_mood(catalogue.movies),
                "tracks": estimate_track_mood(catalogue.tracks),
            }
            scales = {medium: MoodScale.fit(raw[medium]) for medium in MEDIA}
            moods = {medium: scales[medium].apply(raw[medium]) for medium in MEDIA}
        with log.stage("encoder"):
            before = _previous(config.indexes)
            encoder = _place_encoder(config.encoder, before, folder / versions.ENCODER)
        with log.stage("text"):
            sentences: dict[Medium, list[str]] = {
                "movies": describe_movies(catalogue.movies),
                "tracks": describe_tracks(catalogue.tracks),
            }
            texts = _embed(before, folder, encoder, sentences, log, tell)
        with log.stage("space"):
            space = Space.fit(texts, config.text_weight, config.mood_weight)
            vectors = {medium: space.place(medium, texts[medium], moods[medium]) for medium in MEDIA}
            space = _fit_curve(space, catalogue, vectors, config.seed)
            space.write(folder / versions.SPACE)
        kinds = {}
        with log.stage("index"):
            for medium in MEDIA:
                np.save(folder / versions.mood_file(medium), moods[medium], allow_pickle=False)
                index = build_index(vectors[medium], config.index_kind)
                index.write(folder / versions.index_file(medium))
                kinds[medium] = {"kind": index.kind, "reason": index.reason}
        manifest = {
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {medium: len(tables[medium]) for medium in MEDIA}
            | {"soundtracks": len(catalogue.soundtracks)},
            "dimension": space.dimension,
            "metric": "inner_product",
            "index": kinds,
            "encoder": {
                "name": encoder.name,
                "weights_sha256": encoder.weights_sha256,
                "precision": encoder.precision,
                "dimension": encoder.dimension,
            },
            "mood_bounds": {medium: scales[medium].to_dict() for medium in MEDIA},
            "sources": _sources(config),
            "cleaning": catalogue.report.to_dict(),
            "relevance": None,
            "build": {
                "settings": config.to_dict(),
                "seconds": log.seconds,
                "rows_encoded": log.encoded,
                "rows_reused": log.reused,
            },
        }
        name = versions.seal(folder, manifest, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        if config.publish:
            versions.publish(config.indexes, name)
    return name


def _previous(indexes: Path) -> Path | None:
    """The served version's folder if there is one and it is whole; else nothing is taken over from it."""
    try:
        name = versions.current_name(indexes)
        versions.verify(indexes / name)
    except VersionNotFound:
        return None
    except VersionError as error:
        _logger.warning("every row is encoded again, for the served version cannot be used: %s", error)
        return None
    return indexes / name


def _place_encoder(model: str, before: Path | None, target: Path) -> TextEncoder:
    """Put the encoder into the version: the served version's if it is of the same weights, else a fresh export."""
    source = find_weights(model)
    if before is not None and source is not None and (source / "model.safetensors").is_file():
        known = TextEncoder.open(before / versions.ENCODER)
        if known.weights_sha256 == versions.hash_file(source / "model.safetensors"):
            shutil.copytree(before / versions.ENCODER, target)
            return TextEncoder.open(target)
    export_encoder(model, target)
    return TextEncoder.open(target)


def _embed(
    before: Path | None,
    folder: Path,
    encoder: TextEncoder,
    sentences: dict[Medium, list[str]],
    log: _Log,
    tell: Progress,
) -> dict[Medium, npt.NDArray[np.float32]]:
    """Text embeddings of both media; rows whose sentence and encoder are unchanged are taken over.

    Kept as float16 and always used as such, so that a row is the same number whether taken over or encoded.
    """
    salt = _salt(folder / versions.ENCODER)
    embedded: dict[Medium, npt.NDArray[np.float32]] = {}
    for medium in MEDIA:
        keys = _keys(sentences[medium], salt)
        rows = np.zeros((len(keys), encoder.dimension), dtype=np.float16)
        known: dict[bytes, int] = {}
        old: npt.NDArray[np.float16] | None = None
        if before is not None:
            old_keys, old = versions.load_embeddings(before, medium)
            known = {key.tobytes(): row for row, key in enumerate(old_keys)}
        missing: dict[bytes, int] = {}
        taken: list[tuple[int, int]] = []
        for row, key in enumerate(keys):
            if key in known:
                taken.append((row, known[key]))
            else:
                missing.setdefault(key, row)
        if taken and old is not None:
            new_rows, old_rows = (list(side) for side in zip(*taken, strict=True))
            rows[new_rows] = old[old_rows]
        if missing:
            fresh = encoder.encode_all(
                [sentences[medium][row] for row in missing.values()],
                on_progress=lambda done, total, medium=medium: tell(f"encoding {medium}", done, total),  # type: ignore[misc]
            ).astype(np.float16)
            place = {key: position for position, key in enumerate(missing)}
            for row, key in enumerate(keys):
                if key in place:
                    rows[row] = fresh[place[key]]
        log.encoded += len(missing)
        log.reused += len(taken)
        np.save(folder / versions.text_file(medium), rows, allow_pickle=False)
        stacked = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, _KEY_BYTES)
        np.save(folder / versions.text_keys_file(medium), stacked, allow_pickle=False)
        embedded[medium] = rows.astype(np.float32)
    return embedded


def _salt(encoder: Path) -> bytes:
    hashes = [versions.hash_file(path) for path in sorted(encoder.iterdir())]
    return hashlib.sha256("".join(hashes).encode()).digest()[:_KEY_BYTES]


def _keys(sentences: Sequence[str], salt: bytes) -> list[bytes]:
    """A content hash per sentence; salted with the encoder, so that another encoder takes nothing over."""
    return [hashlib.blake2b(s.encode(), digest_size=_KEY_BYTES, salt=salt).digest() for s in sentences]


def _fit_curve(
    space: Space, catalogue: Catalogue, vectors: dict[Medium, npt.NDArray[np.float32]], seed: int
) -> Space:
    """Fit the score curve to the known pairs against random ones; with too few pairs the default stands."""
    pairs = catalogue.soundtracks
    if len(pairs) < _LEAST_PAIRS:
        return space
    rows: dict[Medium, npt.NDArray[np.int64]] = {}
    for medium, table, column in (
        ("movies", catalogue.movies, "tmdb_id"),
        ("tracks", catalogue.tracks, "track_id"),
    ):
        place = {item: row for row, item in enumerate(table["id"])}
        rows[medium] = np.array([place[item] for item in pairs[column]], dtype=np.int64)  # type: ignore[index]
    random = np.random.default_rng(seed)
    shuffled = random.integers(0, len(catalogue.tracks), 20 * len(pairs))
    films = np.repeat(rows["movies"], 20)
    hubless = vectors["movies"][rows["movies"]], vectors["tracks"][rows["tracks"]]
    true_raw = np.einsum("ij,ij->i", *hubless)
    random_raw = np.einsum("ij,ij->i", vectors["movies"][films], vectors["tracks"][shuffled])
    return Space(
        space.text_dimension,
        space.text_weight,
        space.mood_weight,
        space.text_means,
        ScoreCurve.fit(true_raw, random_raw),
    )


def _sources(config: BuildConfig) -> list[dict[str, Any]]:
    paths = {"movies": config.movies, "tracks": config.tracks, "soundtracks": config.soundtracks}
    return [
        {
            "what": what,
            "file": path.name,
            "size_bytes": path.stat().st_size,
            "sha256": versions.hash_file(path),
        }
        for what, path in paths.items()
        if path is not None
    ]
