"""Sentences to unit vectors, by ONNX Runtime alone: the encoder that every index version carries."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexer.errors import VersionDamaged

Floats = NDArray[np.float32]
OnProgress = Callable[[int, int], None]

#: The files of an encoder's folder.
MODEL_FILE = "model.onnx"
#: Faster, and faithful to texts of this many tokens or more; there only where it proved so.
SENTENCE_MODEL_FILE = "sentences.onnx"
LEAST_SENTENCE_TOKENS = 16
#: What is large in the models: mapped into memory, so that processes share one copy. Encoders written before
#: have their weights inside the models instead.
WEIGHTS_FILE = "weights.bin"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "encoder.json"

# Tokens per batch, padding included: a few more or fewer make no difference, 2,048 cost a sixth more.
_TOKEN_BUDGET = 256
# Texts tokenised at a time: enough to sort into batches of like lengths, few enough to hold.
_CHUNK_TEXTS = 16_384

_CARD_KINDS: dict[str, type] = {
    "name": str,
    "weights_sha256": str,
    "max_tokens": int,
    "dimension": int,
    "precision": str,
}


@dataclass(frozen=True)
class Stretch:
    """Texts from ``start`` on: the ``tokens`` of each, and ``batches`` of places, those of like length together."""

    start: int
    tokens: list[NDArray[np.int64]]
    batches: list[NDArray[np.int64]]


class TextEncoder:
    """Maps texts to float32 unit vectors; safe to share between threads."""

    def __init__(self, folder: Path, card: dict[str, Any], tokenizer: Tokenizer, threads: int) -> None:
        self._model = folder / MODEL_FILE
        self._card = card
        self._tokenizer = tokenizer
        self._threads = threads
        self._session = start_session(self._model, threads)
        self._bulk_session = self._session if threads == 1 else None
        self._sentence_session: Any = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path, threads: int = 1) -> TextEncoder:
        """Open the encoder in ``folder``, each call to ``encode`` using ``threads`` cores.

        Raises ``VersionDamaged`` where ``model.onnx``, ``tokenizer.json`` or ``encoder.json`` is missing or
        broken.
        """
        for name in (CARD_FILE, TOKENIZER_FILE, MODEL_FILE):
            if not (folder / name).is_file():
                raise VersionDamaged(f"the text encoder in {folder} has no {name}")
        card = _read_card(folder / CARD_FILE)
        try:
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        except Exception as error:  # tokenizers raises nothing narrower
            raise VersionDamaged(f"{folder / TOKENIZER_FILE} is not a tokenizer: {error}") from error
        tokenizer.enable_truncation(card["max_tokens"])
        tokenizer.no_padding()
        encoder = cls(folder, card, tokenizer, threads)
        width = encoder._session.get_outputs()[0].shape[-1]
        if width != card["dimension"]:
            raise VersionDamaged(f"{folder / MODEL_FILE} gives {width} numbers, not {card['dimension']}")
        return encoder

    @property
    def name(self) -> str:
        """The model's name, as it was exported."""
        return str(self._card["name"])

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return int(self._card["dimension"])

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read; what is beyond them is cut off."""
        return int(self._card["max_tokens"])

    @property
    def weights_sha256(self) -> str:
        """SHA-256 (hex) of the weights the encoder was made from."""
        return str(self._card["weights_sha256"])

    @property
    def precision(self) -> str:
        """The arithmetic of the matrix products: ``int8`` or ``float32``."""
        return str(self._card["precision"])

    def encode(self, texts: Sequence[str]) -> Floats:
        """Encode a few texts, such as a query, in the calling thread: float32 (n, dimension), unit rows."""
        vectors = np.empty((len(texts), self.dimension), np.float32)
        if texts:
            tokens = self._tokenise(texts)
            for batch in _batches(tokens):
                vectors[batch] = _run(self._session, [tokens[row] for row in batch])
        return vectors

    def encode_all(
        self, texts: Sequence[str], on_progress: OnProgress | None = None, workers: int | None = None
    ) -> Floats:
        """Encode a catalogue: float32 (n, dimension), unit rows in the order of ``texts``.

        ``workers`` threads (default: the cores this process may use) take batches of like length, one
        core each: two single-core runs finish before one run over two cores. ``on_progress(done, total)`` is
        called from the calling thread after each batch.
        """
        vectors = np.empty((len(texts), self.dimension), np.float32)
        done = 0
        with ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="encode") as pool:
            for stretch in self.cut(texts):
                tokens = stretch.tokens
                queued = [
                    pool.submit(_run, self._fitting(tokens, batch), [tokens[row] for row in batch])
                    for batch in stretch.batches
                ]
                for batch, waiting in zip(stretch.batches, queued, strict=True):
                    vectors[stretch.start + batch] = waiting.result()
                    done += len(batch)
                    if on_progress:
                        on_progress(done, len(texts))
        return vectors

    def cut(self, texts: Sequence[str]) -> Iterator[Stretch]:
        """Cut texts into what ``encode_all`` runs together: a text's last digits depend on who shares its batch."""
        for start in range(0, len(texts), _CHUNK_TEXTS):
            tokens = self._tokenise(texts[start : start + _CHUNK_TEXTS])
            yield Stretch(start, tokens, list(_batches(tokens)))

    def _tokenise(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return [np.array(each.ids, np.int64) for each in self._tokenizer.encode_batch_fast(list(texts))]

    def _fitting(self, tokens: Sequence[NDArray[np.int64]], batch: NDArray[np.int64]) -> Any:
        """The fast session where every text of the batch is a sentence, else the one for queries."""
        with self._lock:
            if self._bulk_session is None:
                self._bulk_session = start_session(self._model, 1)
            if self._sentence_session is None:
                fast = self._model.with_name(SENTENCE_MODEL_FILE)
                self._sentence_session = start_session(fast, 1) if fast.exists() else self._bulk_session
        shortest = len(tokens[batch[-1]])  # batches run from long to short
        return self._sentence_session if shortest >= LEAST_SENTENCE_TOKENS else self._bulk_session


def start_session(model: Path, threads: int) -> Any:
    """Load an ONNX model on the CPU, ``threads`` cores to a run; raises ``VersionDamaged`` if broken."""
    # It starts threads when it is imported, and a process that forks after that cannot exit cleanly.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(model),
            options,
            providers=["CPUExecutionProvider"],
            # Its fused kernel is slower than the two nodes that it replaces.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
    except Exception as error:  # onnxruntime's own exceptions share no narrower base
        first_line = str(error).partition("\n")[0]
        raise VersionDamaged(f"{model} is not a model that can be run: {first_line}") from error


def usable_cores() -> int:
    """Cores this process may use, which in a container may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(tokens: Sequence[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """Group rows of like length, longest first, so that little is padded and the workers end together.

    Sentences and shorter texts never share a batch: which model reads a text depends on that text alone.
    """
    lengths = np.array([len(each) for each in tokens])
    order = np.argsort(-lengths, kind="stable")
    sentences = int(np.count_nonzero(lengths >= LEAST_SENTENCE_TOKENS))
    start = 0
    while start < len(order):
        size = max(1, _TOKEN_BUDGET // int(lengths[order[start]]))
        if start < sentences:
            size = min(size, sentences - start)
        yield order[start : start + size]
        start += size


def _run(session: Any, tokens: Sequence[NDArray[np.int64]]) -> Floats:
    width = max(len(each) for each in tokens)
    ids = np.zeros((len(tokens), width), np.int64)
    mask = np.zeros_like(ids)
    for row, each in enumerate(tokens):
        ids[row, : len(each)] = each
        mask[row, : len(each)] = 1
    vectors: Floats = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    return vectors


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise VersionDamaged(f"{path} is not JSON: {error}") from error
    for field, kind in _CARD_KINDS.items():
        if not isinstance(card, dict) or not isinstance(card.get(field), kind):
            raise VersionDamaged(f"{path} lacks {field!r} or has it in a wrong form")
    return dict(card)
