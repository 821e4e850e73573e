"""Text models for long texts: any model of the BERT family by its name or from a folder, or the build's encoder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from indexer.errors import MissingModel
from indexer.features.long_text import Floats, Reader
from indexer.features.text_encoder import TextEncoder

#: What a model is taken to read that does not say: as many tokens as BERT does.
_MOST_TOKENS = 512
_LOUD_LOGGERS = ("sentence_transformers", "transformers")


class NamedReader(Reader, Protocol):
    """A reader with a name for people."""

    @property
    def name(self) -> str:
        """The model's name, without the folder that it lies in."""


class EncoderReader:
    """The build's own encoder; nothing that it reads here is kept in the version."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self.key = f"{encoder.weights_sha256} {encoder.precision}"
        self.name = encoder.name
        self.dimension = encoder.dimension
        self.max_tokens = encoder.max_tokens

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Encode texts: float32 (n, dimension), unit rows."""
        return self._encoder.encode_all(texts)


class ModelReader:
    """A model by name or folder, run by sentence-transformers; plain BERT models are pooled by the mean of tokens."""

    def __init__(self, model: str) -> None:
        """Load the model; raises ``MissingModel`` where it is not there, cannot be reached or is no text model."""
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingModel(
                "reading texts with a model of your own needs sentence-transformers: pip install it"
            ) from error
        loggers = [logging.getLogger(name) for name in _LOUD_LOGGERS]
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            self._model: Any = SentenceTransformer(model, device="cpu").eval()
        except Exception as error:  # the hub client, the file readers and torch share no narrower base
            said = str(error).strip().partition("\n")[0] or type(error).__name__
            raise MissingModel(
                f"the text model {model!r} could not be loaded ({said}): name a local folder or a hub model that "
                "this machine can reach"
            ) from error
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
        self.name = Path(model).name if Path(model).is_dir() else model
        self.max_tokens = int(self._model.max_seq_length or _MOST_TOKENS)
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.key = f"{_hash_weights(self._model)} {self.max_tokens}"

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Encode texts: float32 (n, dimension), unit rows."""
        vectors: Floats = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        ).astype(np.float32)
        return vectors


def _hash_weights(model: Any) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def choose_reader(model: str | None, encoder: TextEncoder | None) -> NamedReader:
    """The model that the user named, else the build's encoder; raises ``MissingModel``."""
    if model:
        return ModelReader(model)
    if encoder is None:
        raise MissingModel("no text model was named and there is no encoder of a build")
    return EncoderReader(encoder)
