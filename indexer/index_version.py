"""Index versions on disk: write, verify, open. The only file that knows the format of one.

indexes/                      see indexer.index_folder
  <version>/                  never changed once it has its name
    manifest.json             what is in here and where it came from; manifest.json.sha256 seals it
    catalogue.sqlite          metadata and title look-up
    movies.faiss              (and so on for tracks) the vector index; for coded kinds with
  movies.vectors.faiss      the vectors that candidates are ranked by (.npy: float16),
  movies.query_map.npy      float32 (d, r): maps a query to what the codes hold, and
  movies.search.json        what a search goes by
    texts.npy                 float16 (n, d): embeddings of all texts of the build, for the next one
    texts_keys.npy            uint8 (n, 16): content hashes of those texts, ascending
    movies.mood.npy           float32 (n, 2): valence and energy in [0, 1]
    movies.words.npy          uint16 (n, k): the strongest words of each profile (see indexer.features.words)
    movies.groups.npy         int32 (n, 2): what is the same for a person (see indexer.list_groups)
    movies_filters/           filter columns
    soundtracks.npy           facts: songs that are heard in films (see indexer.soundtracks)
    space/                    parameters of the shared space
    map/                      movies.npy, tracks.npy uint16 (n, 2): places on the map (see indexer.map_layout)
    unseen/                   what places items that are not in the catalogue (see indexer.unseen)
    methods/<name>/           other methods fitted on the same catalogue, where asked for
    encoder/                  query encoder as ONNX with its tokenizer
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from indexer.catalogue.records import Medium
from indexer.catalogue_store import CatalogueStore
from indexer.errors import VersionDamaged, VersionFormat, VersionNotFound
from indexer.features.text_encoder import TextEncoder
from indexer.filter_columns import FilterColumns
from indexer.index_folder import current_name, folder_of, sync
from indexer.map_layout import MapLayout
from indexer.soundtracks import Soundtracks
from indexer.space import MEDIA, Space
from indexer.unseen import KnownTexts, Placing, salt_of
from indexer.vector_index import VectorIndex, open_index

FORMAT = 3
MANIFEST = "manifest.json"
SEAL = "manifest.json.sha256"
CATALOGUE = "catalogue.sqlite"
ENCODER = "encoder"
SPACE = "space"
METHODS = "methods"
MAP = "map"
UNSEEN = "unseen"
TEXTS = "texts.npy"
TEXT_KEYS = "texts_keys.npy"


def index_file(medium: Medium) -> str:
    """Name of a medium's vector index."""
    return f"{medium}.faiss"


def _is_of_index(file: str) -> bool:
    """Whether a file of a version, named as in its manifest, belongs to a vector index."""
    medium, _, part = file.partition(".")
    return medium in MEDIA and part.startswith(("faiss", "vectors.", "query_map.", "search."))


def read_manifest(folder: Path) -> dict[str, Any]:
    """A version's manifest as it stands, checked against nothing; raises ``VersionDamaged`` where it is none."""
    return _parse_manifest(folder, _read(folder / MANIFEST))


def _parse_manifest(folder: Path, text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise VersionDamaged(f"{folder.name}/{MANIFEST} is not a manifest: {error}") from error
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise VersionDamaged(f"{folder.name}/{MANIFEST} is not a manifest: it names no format")
    return manifest


def hash_manifest(folder: Path) -> str:
    """SHA-256 of a version's manifest, which stands for all of its contents."""
    return hashlib.sha256(_read(folder / MANIFEST)).hexdigest()


def mood_file(medium: Medium) -> str:
    """Name of a medium's moods."""
    return f"{medium}.mood.npy"


def words_file(medium: Medium) -> str:
    """Name of a medium's strongest words."""
    return f"{medium}.words.npy"


def groups_file(medium: Medium) -> str:
    """Name of a medium's groups."""
    return f"{medium}.groups.npy"


def filters_folder(medium: Medium) -> str:
    """Name of a medium's filter columns."""
    return f"{medium}_filters"


@dataclass(frozen=True)
class IndexVersion:
    """An opened version: verified, read-only, usable from many threads."""

    name: str
    folder: Path
    manifest: dict[str, Any]
    store: CatalogueStore
    space: Space
    indexes: dict[Medium, VectorIndex]
    filters: dict[Medium, FilterColumns]
    moods: dict[Medium, npt.NDArray[np.float32]]
    words: dict[Medium, npt.NDArray[np.uint16]]
    groups: dict[Medium, npt.NDArray[np.int32]]
    soundtracks: Soundtracks

    @cached_property
    def encoder(self) -> TextEncoder:
        """The query encoder, loaded when a text is first asked for."""
        return TextEncoder.open(self.folder / ENCODER)

    @cached_property
    def placing(self) -> Placing | None:
        """Places items that the version does not hold; None in a version built before it could, read at first use."""
        if not (self.folder / UNSEEN).is_dir():
            return None
        keys, rows = load_embeddings(self.folder)
        texts = KnownTexts(self.encoder, salt_of(self.manifest, ENCODER), keys, rows)
        return Placing.open(self.folder / UNSEEN, self.space, self.store.tracks, texts.encode)

    @cached_property
    def map_layout(self) -> MapLayout | None:
        """Places of all items on the map, read at first use; None in a version built without a map."""
        if not (self.folder / MAP).is_dir():
            return None
        return MapLayout.open(self.folder / MAP, {m: self.indexes[m].size for m in MEDIA})

    def close(self) -> None:
        """Release the files."""
        self.store.close()


class IndexSource(Protocol):
    """Opens the vector indexes of a version from where they are, which need not be its folder."""

    def needs(self, file: str) -> bool:
        """Whether a file of a vector index, named as in the manifest, has to be in the version's folder."""

    def open(
        self, folder: Path, medium: Medium, manifest: dict[str, Any], columns: FilterColumns
    ) -> VectorIndex:
        """Open a medium's index of the version in ``folder``. Raises ``VersionError`` or ``EngineError``."""


class _FromFiles:
    """Opens the indexes that the version itself holds."""

    def needs(self, file: str) -> bool:  # noqa: ARG002
        return True

    def open(
        self,
        folder: Path,
        medium: Medium,
        manifest: dict[str, Any],
        columns: FilterColumns,  # noqa: ARG002
    ) -> VectorIndex:
        return open_index(folder / index_file(medium), manifest["index"][medium]["kind"])


FROM_FILES: Final[IndexSource] = _FromFiles()


def open_version(indexes: Path, name: str | None = None, source: IndexSource = FROM_FILES) -> IndexVersion:
    """Verify and open a version (default: the published one), its vectors searched where ``source`` has them.

    Every file's SHA-256 is checked before anything reads it, then counts and dimensions against each other.
    Raises ``VersionNotFound``, ``VersionFormat`` or ``VersionDamaged``, naming the file at fault.
    """
    name = name or current_name(indexes)
    folder = folder_of(indexes, name)
    manifest = verify(folder, source)
    store = CatalogueStore.open(folder / CATALOGUE)
    try:
        filters = {m: FilterColumns.open(folder / filters_folder(m), m) for m in MEDIA}
        version = IndexVersion(
            name,
            folder,
            manifest,
            store,
            Space.open(folder / SPACE),
            {m: source.open(folder, m, manifest, filters[m]) for m in MEDIA},
            filters,
            {m: _load(folder / mood_file(m), mapped=True) for m in MEDIA},
            {m: _load(folder / words_file(m), mapped=True) for m in MEDIA},
            {m: _load(folder / groups_file(m), mapped=True) for m in MEDIA},
            Soundtracks.open(folder),
        )
        _check_sizes(version)
    except BaseException:
        store.close()
        raise
    return version


def _check_sizes(version: IndexVersion) -> None:
    for medium in MEDIA:
        counted = version.manifest["counts"][medium]
        sizes = {
            index_file(medium): version.indexes[medium].size,
            CATALOGUE: version.store.count(medium),
            filters_folder(medium): version.filters[medium].size,
            mood_file(medium): len(version.moods[medium]),
            words_file(medium): len(version.words[medium]),
            groups_file(medium): len(version.groups[medium]),
        }
        for file, size in sizes.items():
            if size != counted:
                raise VersionDamaged(f"{file} holds {size} {medium}, the manifest says {counted}")
        if version.indexes[medium].dimension != version.space.dimension:
            raise VersionDamaged(
                f"{index_file(medium)} has {version.indexes[medium].dimension} dimensions, "
                f"the space {version.space.dimension}"
            )


def verify(folder: Path, source: IndexSource = FROM_FILES) -> dict[str, Any]:
    """Check every file of a version that ``source`` needs against its manifest, and return the manifest.

    Raises ``VersionNotFound``, ``VersionFormat`` or ``VersionDamaged``, naming the file at fault.
    """
    if not folder.is_dir():
        raise VersionNotFound(f"there is no index version {folder.name!r} in {folder.parent}")
    sealed = _read(folder / MANIFEST)
    manifest = _parse_manifest(folder, sealed)
    found = manifest["format"]
    if found != FORMAT:
        raise VersionFormat(
            f"{folder.name}/{MANIFEST}: format {found!r}, this program reads {FORMAT}; build the index again"
        )
    if _read(folder / SEAL) != _seal_of(sealed):
        raise VersionDamaged(f"{folder.name}/{MANIFEST} does not match {SEAL}: it was altered")
    # Hashing releases the interpreter lock, so threads share the work.
    with ThreadPoolExecutor(max_workers=4) as pool:
        jobs = [
            pool.submit(_check_file, folder, file, facts)
            for file, facts in manifest["files"].items()
            if not _is_of_index(file) or source.needs(file)
        ]
        for job in jobs:
            job.result()
    return manifest


def _seal_of(manifest: bytes) -> bytes:
    # The form that sha256sum reads, so that a person can check it without this program.
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode("ascii")


def _check_file(folder: Path, file: str, facts: dict[str, Any]) -> None:
    path = folder / file
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise VersionDamaged(f"{folder.name}/{file} is missing") from error
    if size != facts["size_bytes"]:
        raise VersionDamaged(f"{folder.name}/{file} has {size} bytes instead of {facts['size_bytes']}")
    if hash_file(path) != facts["sha256"]:
        raise VersionDamaged(f"{folder.name}/{file} was altered: its SHA-256 is not the manifest's")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VersionDamaged(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}") from error


def _load(path: Path, mapped: bool = False) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise VersionDamaged(f"{path.parent.name}/{path.name} cannot be read: {error}") from error


def load_embeddings(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]:
    """The content hashes (n, 16) and float16 embeddings (n, d) of a version's texts."""
    return _load(folder / TEXT_KEYS, mapped=True), _load(folder / TEXTS, mapped=True)


def hash_file(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(folder: Path, manifest: dict[str, Any], name: str) -> str:
    """Hash all files into the manifest, make everything durable, and give the folder its name (returned)."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        "format": FORMAT,
        **manifest,
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": hash_file(path),
                "size_bytes": path.stat().st_size,
            }
            for path in files
        },
    }
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    (folder / MANIFEST).write_bytes(text)
    (folder / SEAL).write_bytes(_seal_of(text))
    for path in [*folder.rglob("*"), folder]:
        sync(path)
    target = folder.parent / name
    count = 1
    while target.exists():
        count += 1
        target = folder.parent / f"{name}-{count}"
    folder.rename(target)
    sync(folder.parent)
    return target.name


def list_names(indexes: Path) -> list[str]:
    """All versions in the folder, oldest first."""
    if not indexes.is_dir():
        return []
    return sorted(
        p.name
        for p in indexes.iterdir()
        if p.is_dir() and not p.name.startswith(".") and (p / MANIFEST).exists()
    )
