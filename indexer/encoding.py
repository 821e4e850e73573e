"""Embeddings of a build's texts: each distinct text once, and none that the version before already holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer import index_version as versions
from indexer.features.text_encoder import TextEncoder

Floats = npt.NDArray[np.float32]
#: Texts, and what is told (done, total) → their embeddings (n, d).
EncodeAll = Callable[[Sequence[str], Callable[[int, int], None]], Floats]
#: Told (what, done, total) while texts are encoded.
Tell = Callable[[str, int, int], None]
_KEY_BYTES = 16


class EncodedTexts:
    """Encodes texts through a cache of content hashes, salted with the encoder.

    Rows are kept as float16 and always used as such, so that a text is the same number whether it was taken
    over or encoded. ``encoded`` and ``reused`` count distinct texts.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        folder: Path,
        before: Path | None,
        tell: Tell,
        encode_all: EncodeAll | None = None,
    ) -> None:
        """``folder`` holds the encoder; ``before`` is the version to take rows over from, if any.

        ``encode_all`` encodes in the encoder's place, elsewhere, and to the same numbers.
        """
        hashes = [versions.hash_file(path) for path in sorted(folder.iterdir())]
        self._salt = hashlib.sha256("".join(hashes).encode()).digest()[:_KEY_BYTES]
        self._encoder = encoder
        self._encode_all: EncodeAll = encode_all or encoder.encode_all
        self._tell = tell
        self._rows: dict[bytes, npt.NDArray[np.float16]] = {}
        self._before: dict[bytes, npt.NDArray[np.float16]] = {}
        self.encoded = 0
        self.reused = 0
        if before is not None:
            keys, rows = versions.load_embeddings(before)
            self._before = {key.tobytes(): row for key, row in zip(keys, rows, strict=True)}

    def encode(self, texts: Sequence[str], what: str) -> Floats:
        """Embeddings (n, d) float32 of texts; ``what`` names them for the progress bar. An empty text is zeros."""
        keys = [self._key(text) if text else b"" for text in texts]
        missing: dict[bytes, str] = {}
        for key, text in zip(keys, texts, strict=True):
            if not key or key in self._rows:
                continue
            if key in self._before:
                self._rows[key] = self._before[key]
                self.reused += 1
            else:
                missing.setdefault(key, text)
        if missing:
            fresh = self._encode_all(
                list(missing.values()), lambda done, total: self._tell(what, done, total)
            ).astype(np.float16)
            self._rows.update(zip(missing, fresh, strict=True))
            self.encoded += len(missing)
        embedded = np.zeros((len(keys), self._encoder.dimension), dtype=np.float32)
        for row, key in enumerate(keys):
            if key:
                embedded[row] = self._rows[key]
        return embedded

    def write(self, folder: Path) -> None:
        """Write what this build used, by key, for the next one."""
        keys = sorted(self._rows)
        rows = np.zeros((len(keys), self._encoder.dimension), dtype=np.float16)
        for place, key in enumerate(keys):
            rows[place] = self._rows[key]
        np.save(folder / versions.TEXTS, rows, allow_pickle=False)
        stacked = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, _KEY_BYTES)
        np.save(folder / versions.TEXT_KEYS, stacked, allow_pickle=False)

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES, salt=self._salt).digest()
