"""The whole build: source files → catalogue → features → space → vector indexes → index version."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from indexer import index_folder, methods, publication
from indexer import index_version as versions
from indexer.catalogue.catalogue import Catalogue, read_catalogue
from indexer.catalogue.records import Medium
from indexer.catalogue_store import write_store
from indexer.config import BuildConfig
from indexer.encoding import EncodedTexts
from indexer.errors import VersionError, VersionNotFound
from indexer.features.encoder_export import export_encoder, find_weights
from indexer.features.pictures import read_posters
from indexer.features.text import describe_movies, describe_tracks
from indexer.features.text_encoder import TextEncoder
from indexer.filter_columns import FilterColumns
from indexer.item_features import describe_items
from indexer.map_layout import lay_out
from indexer.methods.method import Material
from indexer.public_data import tell_origin
from indexer.query_sample import pick_texts, sample_queries
from indexer.ray_encoding.cluster import RayCluster
from indexer.readers import carried
from indexer.space import MEDIA
from indexer.space_fit import fit_space
from indexer.unseen import write_unseen
from indexer.vector_index import IndexPlan, build_index

_logger = logging.getLogger(__name__)

#: Told (stage, done, total) while a build goes on.
Progress = Callable[[str, int, int], None]


@dataclass
class _Log:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

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
    with (
        index_folder.lock(config.indexes),
        index_folder.new_folder(config.indexes) as folder,
        RayCluster(config.ray) if config.ray is not None else nullcontext() as ray,
    ):
        with log.stage("catalogue"):
            catalogue = read_catalogue(
                config.movies,
                config.tracks,
                config.soundtracks,
                config.preset,
                config.movie_columns,
                config.track_columns,
            )
            sources = _sources(config)
            if config.report is not None:
                catalogue.report.write(config.report)
        tables: Mapping[Medium, pd.DataFrame] = {"movies": catalogue.movies, "tracks": catalogue.tracks}
        with log.stage("store"):
            write_store(folder / versions.CATALOGUE, catalogue.movies, catalogue.tracks)
            for medium in MEDIA:
                columns = FilterColumns.from_table(medium, tables[medium])
                columns.write(folder / versions.filters_folder(medium))
        with log.stage("encoder"):
            before = _previous(config.indexes)
            encoder = _place_encoder(config.encoder, before, folder / versions.ENCODER)
        with log.stage("features"):
            files = folder / versions.ENCODER
            encode_all = None if ray is None else partial(ray.encode_all, encoder, files)
            texts = EncodedTexts(encoder, files, before, tell, encode_all)
            readers = carried()
            readers.check_encoder(encoder.dimension)
            items = describe_items(catalogue, config, texts.encode, readers)
        pictures = {}
        if config.posters is not None:
            with log.stage("posters"):
                # Read here whoever asks for them later, so that the report is the build's and the cache is warm.
                posters = read_posters(catalogue.movies, config.posters, config.options, config.cache, tell)
                pictures["posters"] = posters.facts
        with log.stage("space"):
            tell("space", 0, 1)
            fitted = fit_space(catalogue, config, items, readers)
            fitted.space.write(folder / versions.SPACE)
            fitted.soundtracks.write(folder)
            write_unseen(folder / versions.UNSEEN, catalogue.tracks)
            tell("space", 1, 1)
        kinds = {}
        with log.stage("index"):
            short_texts = texts.encode(pick_texts(catalogue.movies, config.seed), "queries")
            for medium in MEDIA:
                for file, rows in (
                    (versions.mood_file(medium), items.moods[medium]),
                    (versions.words_file(medium), items.words[medium]),
                    (versions.groups_file(medium), items.groups[medium]),
                ):
                    np.save(folder / file, rows, allow_pickle=False)
                asked = sample_queries(fitted.space, fitted.vectors, medium, short_texts, config.seed)
                plan = IndexPlan(asked, config.target_recall, config.index_memory_bytes)
                built = build_index(fitted.vectors[medium], config.index_kind, plan=plan)
                built.index.write(folder / versions.index_file(medium))
                kinds[medium] = built.describe()
        with log.stage("map"):
            layout = lay_out(
                fitted.space, fitted.vectors, config.seed, lambda done, total: tell("map", done, total)
            )
            layout.write(folder / versions.MAP)
        with log.stage("methods"):
            material = Material(
                catalogue,
                _sentences(catalogue, texts) if config.methods else {},
                lambda some: texts.encode(some, "methods"),
                config.files,
                config.seed,
                config.cache,
                config.options,
                tell,
                encoder,
            )
            held = methods.fit_methods(config.methods, material, folder / versions.METHODS, on_progress)
            texts.write(folder)
        manifest = {
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {medium: len(tables[medium]) for medium in MEDIA}
            | {"soundtracks": len(catalogue.soundtracks)},
            "dimension": fitted.space.dimension,
            "metric": "inner_product",
            "index": kinds,
            "encoder": {
                "name": encoder.name,
                "weights_sha256": encoder.weights_sha256,
                "precision": encoder.precision,
                "dimension": encoder.dimension,
            },
            "sources": sources,
            "cleaning": catalogue.report.to_dict(),
            "pictures": pictures,
            "learned": fitted.learned,
            "relevance": fitted.card,
            "methods": held,
            "build": {
                "settings": config.to_dict(),
                "seconds": log.seconds,
                "rows_encoded": texts.encoded,
                "rows_reused": texts.reused,
                **({} if ray is None else {"ray": ray.facts}),
            },
        }
        name = versions.seal(folder, manifest, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        if config.publish:
            publication.publish(config.indexes, name, config.force)
    return name


def _sentences(catalogue: Catalogue, texts: EncodedTexts) -> dict[Medium, npt.NDArray[np.float32]]:
    """Embeddings of sentences about films and songs, titles and names among them, which other methods compare."""
    return {
        "movies": texts.encode(describe_movies(catalogue.movies), "films"),
        "tracks": texts.encode(describe_tracks(catalogue.tracks), "songs"),
    }


def _previous(indexes: Path) -> Path | None:
    """The served version's folder if there is one and it is whole; else nothing is taken over from it."""
    try:
        name = index_folder.current_name(indexes)
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


def _sources(config: BuildConfig) -> list[dict[str, Any]]:
    sources = []
    for what, path in config.files.items():
        facts = _fingerprint(path)
        sources.append({"what": what, "file": path.name, **facts, **tell_origin(path, facts["sha256"])})
    return sources


def _fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256; of a folder: all its files' sizes together, their number, and the hash of its listing."""
    if not path.is_dir():
        return {"size_bytes": path.stat().st_size, "sha256": versions.hash_file(path)}
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    # The lines that sha256sum prints, so that a person can check a folder without this program.
    lines = "".join(f"{versions.hash_file(file)}  {name}\n" for name, file in files)
    return {
        "files": len(files),
        "size_bytes": sum(file.stat().st_size for _, file in files),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }
