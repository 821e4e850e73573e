"""The encoder in int8: a third of float32's time, the same vectors to within 0.999 cosine."""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexer.features.int8_graph import (
    Blocks,
    InputRange,
    Int8Graph,
    Recipe,
    Rows,
    products,
    split_skip_layer_norms,
)
from indexer.features.text_encoder import LEAST_SENTENCE_TOKENS, start_session

#: Cosine with float32 that every held-back text must reach for int8 to be used.
PARITY_FLOOR = 0.999

_STARTER = Path(__file__).resolve().parents[1] / "starter"
_SEED = 20
_CALIBRATION_TEXTS = 96
_HELD_BACK_TEXTS = 256
# Smaller weights stay in the model's own file.
_SHARED_BYTES = 1024
_PAGE_BYTES = 4096

#: By the shape of the weights: square, widening (into the feed-forward layer) and narrowing (out of it).
#: With one scale to a row out of the feed-forward layer, texts of one or two words fall to 0.9985: queries
#: have one to a block there.
RECIPES: dict[str, Recipe] = {
    "square": Rows(0.6, 8),
    "widening": Rows(0.6, 8),
    "narrowing": Blocks(16),
}
SENTENCE_RECIPES: dict[str, Recipe] = RECIPES | {"narrowing": Rows(0.35, 4)}


class SharedWeights:
    """A file of weights that several models read, mapped into memory instead of copied: one copy to a machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[bytes, int] = {}
        self._end = 0
        path.write_bytes(b"")

    def save(self, model: Any, path: Path) -> None:
        """Write a model whose larger weights lie in the shared file, which must be in the same folder."""
        import onnx
        from onnx.external_data_helper import set_external_data

        for each in model.graph.initializer:
            content = onnx.numpy_helper.to_array(each).tobytes()
            if len(content) < _SHARED_BYTES:
                continue
            each.raw_data = content
            set_external_data(each, self._path.name, self._place(content), len(content))
            each.ClearField("raw_data")
        onnx.save(model, path)

    def _place(self, content: bytes) -> int:
        key = hashlib.sha256(content).digest()
        if key not in self._places:
            with self._path.open("ab") as file:
                file.write(bytes(-self._end % _PAGE_BYTES))
                self._places[key] = file.tell()
                file.write(content)
                self._end = file.tell()
        return self._places[key]


def quantise_model(
    source: Path, tokenizer: Path, max_tokens: int, target: Path, sentences: Path, weights: Path
) -> dict[str, Any]:
    """Write ``source`` in int8 to ``target``, or unchanged where int8 would not be faithful on this machine.

    A faster one for texts of ``LEAST_SENTENCE_TOKENS`` or more goes to ``sentences``, if it is faithful to them.
    Both keep what is large in ``weights``. Returns the fields of ``encoder.json`` that say so: ``precision``,
    ``parity`` and ``sentence_parity`` (the lowest cosine with float32 over held-back texts) and, for float32,
    ``reason``.
    """
    import onnx

    texts = read_starter_texts()
    exact = source.with_name("plain.onnx")
    plain = onnx.load(source)
    split_skip_layer_norms(plain)
    onnx.save(plain, exact)
    if len(texts) < _CALIBRATION_TEXTS + _HELD_BACK_TEXTS:
        reason = "no starter catalogue to calibrate int8 with"
        return _write_exact(exact, target, weights, reason)
    reader = Tokenizer.from_file(str(tokenizer))
    reader.enable_truncation(max_tokens)
    reader.no_padding()

    def tokenise(texts: Sequence[str]) -> list[NDArray[np.int64]]:
        return [np.array([each.ids], np.int64) for each in reader.encode_batch_fast(list(texts))]

    long = [ids for ids in tokenise(texts) if ids.size >= LEAST_SENTENCE_TOKENS]
    short = tokenise([_shorten(text, place) for place, text in enumerate(texts)])
    # Inputs of short texts range wider; each text counts alike, and queries are what has least to spare.
    ranges = measure_inputs(exact, short[:_CALIBRATION_TEXTS] + long[: _CALIBRATION_TEXTS // 2])
    held_back = slice(_CALIBRATION_TEXTS, _CALIBRATION_TEXTS + _HELD_BACK_TEXTS)
    shared = SharedWeights(weights)
    shared.save(make_int8(exact, ranges, RECIPES), target)
    parity = _lowest_cosine(exact, target, short[held_back] + long[held_back][::4])
    if parity < PARITY_FLOOR:
        reason = f"int8 on this machine falls to {parity:.4f} cosine with float32, below {PARITY_FLOOR}"
        return _write_exact(exact, target, weights, reason)
    fast = make_int8(exact, ranges, SENTENCE_RECIPES)
    shared.save(fast, sentences)
    sentence_parity = _lowest_cosine(exact, sentences, long[held_back])
    if sentence_parity < PARITY_FLOOR:
        sentences.unlink()
    return {
        "precision": "int8",
        "parity": round(parity, 5),
        "sentence_parity": round(sentence_parity, 5),
    }


def _write_exact(exact: Path, target: Path, weights: Path, reason: str) -> dict[str, Any]:
    import onnx

    SharedWeights(weights).save(onnx.load(exact), target)
    return {"precision": "float32", "parity": 1.0, "reason": reason}


def measure_inputs(source: Path, tokens: Sequence[NDArray[np.int64]]) -> dict[str, InputRange]:
    """Run float32 over the texts and note the range of every product's input that has a row for each token.

    ``tokens``: int64 (1, n) to a text; every text counts alike in the mean. Writes ``observed.onnx`` beside
    ``source``.
    """
    import onnx

    model = onnx.load(source)
    names = sorted({node.input[0] for node in products(model)})
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    observed = source.with_name("observed.onnx")
    onnx.save(model, observed)
    session = start_session(observed, 1)
    found: dict[str, InputRange] = {}
    for ids in tokens:
        for name, seen in zip(names, session.run(names, _inputs(ids)), strict=True):
            if seen.shape[:-1] != ids.shape:
                continue
            rows = seen[0]
            peak, mean, lowest = np.abs(rows).max(0), rows.mean(0) / len(tokens), float(rows.min())
            if name in found:
                before = found[name]
                peak, mean = np.maximum(before.peak, peak), before.mean + mean
                lowest = min(before.lowest, lowest)
            found[name] = InputRange(peak, mean, lowest)
    return found


def make_int8(source: Path, ranges: Mapping[str, InputRange], recipes: Mapping[str, Recipe]) -> Any:
    """Read a float32 model and rewrite the products whose input was measured and whose kind has a recipe."""
    import onnx

    model = onnx.load(source)
    graph = Int8Graph(model)

    def recipe_for(product: Any) -> Recipe | None:
        found = recipes.get(graph.kind(product))
        if product.input[0] not in ranges:
            return None
        if isinstance(found, Blocks) and len(ranges[product.input[0]].peak) % found.size:
            return None
        return found

    chosen = {product.output[0]: recipe_for(product) for product in products(model)}
    sharing: dict[tuple[str, Recipe], list[Any]] = {}
    for product in products(model):
        recipe = chosen[product.output[0]]
        if recipe is not None:
            sharing.setdefault((product.input[0], recipe), []).append(product)
    for node in list(model.graph.node):
        recipe = chosen.get(node.output[0])
        if recipe is None:
            graph.keep(node)
            continue
        # All products of one input (query, key and value) are written where the first of them stood.
        together = sharing[node.input[0], recipe]
        if node.output[0] == together[0].output[0]:
            graph.replace(together, ranges[node.input[0]], recipe)
    graph.finish()
    return model


def _inputs(ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def _lowest_cosine(exact: Path, rough: Path, tokens: Sequence[NDArray[np.int64]]) -> float:
    sessions = start_session(exact, 1), start_session(rough, 1)
    cosines = []
    for ids in tokens:
        one, other = (session.run(None, _inputs(ids))[0][0] for session in sessions)
        cosines.append(float(one @ other))
    return min(cosines)


def read_starter_texts() -> list[str]:
    """Sentences about the starter catalogue's films and songs, in an order that only the seed decides."""
    texts = sorted({text for path in sorted(_STARTER.rglob("*.?sv")) for text in _row_texts(path)})
    random.Random(_SEED).shuffle(texts)
    return texts


def _row_texts(path: Path) -> Iterator[str]:
    if "movies" not in path.name and "tracks" not in path.name:
        return
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ","):
            words = [
                cell.replace("|", ", ")
                for cell in row
                if cell and not cell.replace(".", "").lstrip("-").isdigit()
            ]
            if len(words) > 1:
                yield ". ".join(words)


def _shorten(text: str, place: int) -> str:
    """A query of 0 to 3 words, whose inputs range differently from a sentence's."""
    return " ".join(text.replace(".", "").split()[-3:][: place % 4])
