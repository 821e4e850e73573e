"""The encoder's matrix products in int8: half the time of float32, the same vectors to within 0.999 cosine.

The inputs of each product are smoothed channel by channel, so that part of their range moves into the weights
(SmoothQuant, Xiao et al. 2023). The few channels that still stand out are left to a small float32 product
(LLM.int8, Dettmers et al. 2022). The rest runs in int8, with one scale for each row of inputs, measured at
run time, and one for each column of weights. A row's result thus depends on that row alone, not on its batch.
"""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from indexer.features.text_encoder import LEAST_SENTENCE_TOKENS, start_session

Floats = NDArray[np.float32]

#: Cosine with float32 that every held-back text must reach for int8 to be used.
PARITY_FLOOR = 0.999

_STARTER = Path(__file__).resolve().parents[1] / "starter"
_SEED = 20
# GELU's minimum is −0.16997.
_GELU_BOUND = np.float32(0.17)
_CALIBRATION_TEXTS = 96
_HELD_BACK_TEXTS = 256


@dataclass(frozen=True)
class Recipe:
    """How products of one kind are quantised.

    ``alpha``: the share of an input channel's range that moves into the weights, 0 to 1. ``outliers``: how
    many channels are computed in float32.
    """

    alpha: float
    outliers: int


#: By the shape of the weights: square, widening (into the feed-forward layer) and narrowing (out of it).
#: What leaves the feed-forward layer stays float32 for queries: in int8, texts of one or two words fall to 0.9985.
RECIPES: dict[str, Recipe | None] = {
    "square": Recipe(0.6, 8),
    "widening": Recipe(0.6, 8),
    "narrowing": None,
}
#: For sentences all products are int8.
SENTENCE_RECIPES: dict[str, Recipe | None] = RECIPES | {"narrowing": Recipe(0.35, 32)}


@dataclass(frozen=True)
class _InputRange:
    """What calibration saw of an input: the largest magnitude of each channel, the lowest value of all."""

    peak: Floats
    lowest: float


def quantise_model(
    source: Path, tokenizer: Path, max_tokens: int, target: Path, sentences: Path
) -> dict[str, Any]:
    """Write ``source`` in int8 to ``target``, or unchanged where int8 would not be faithful on this machine.

    A faster one for texts of ``LEAST_SENTENCE_TOKENS`` or more goes to ``sentences``, if it is faithful to them.
    Returns the fields of ``encoder.json`` that say so: ``precision``, ``parity`` (the lowest cosine with
    float32 over held-back texts) and, for float32, ``reason``.
    """
    texts = read_starter_texts()
    if len(texts) < _CALIBRATION_TEXTS + _HELD_BACK_TEXTS:
        shutil.copyfile(source, target)
        return {
            "precision": "float32",
            "parity": 1.0,
            "reason": "no starter catalogue to calibrate int8 with",
        }
    reader = Tokenizer.from_file(str(tokenizer))
    reader.enable_truncation(max_tokens)
    reader.no_padding()

    def write(texts: Sequence[str], path: Path, recipes: dict[str, Recipe | None]) -> float:
        tokens = [np.array([each.ids], np.int64) for each in reader.encode_batch_fast(list(texts))]
        calibration = tokens[:_CALIBRATION_TEXTS]
        held_back = tokens[_CALIBRATION_TEXTS : _CALIBRATION_TEXTS + _HELD_BACK_TEXTS]
        write_int8(source, measure_inputs(source, calibration, path), path, recipes)
        return _lowest_cosine(source, path, held_back)

    parity = write([_shorten(text, place) for place, text in enumerate(texts)], target, RECIPES)
    if parity >= PARITY_FLOOR:
        long = [text for text in texts if len(reader.encode(text).ids) >= LEAST_SENTENCE_TOKENS]
        sentence_parity = write(long, sentences, SENTENCE_RECIPES)
        if sentence_parity < PARITY_FLOOR:
            sentences.unlink()
        return {
            "precision": "int8",
            "parity": round(parity, 5),
            "sentence_parity": round(sentence_parity, 5),
        }
    shutil.copyfile(source, target)
    reason = f"int8 on this machine falls to {parity:.4f} cosine with float32, below {PARITY_FLOOR}"
    return {"precision": "float32", "parity": 1.0, "reason": reason}


def measure_inputs(
    source: Path, tokens: Sequence[NDArray[np.int64]], scratch: Path
) -> dict[str, _InputRange]:
    """Run float32 over the texts and note the range of every product's input; ``scratch`` is rewritten."""
    import onnx

    model = onnx.load(source)
    names = sorted({node.input[0] for node in _products(model)})
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    onnx.save(model, scratch)
    session = start_session(scratch, 1)
    peaks: dict[str, Floats] = {}
    lowest: dict[str, float] = {}
    for ids in tokens:
        for name, seen in zip(names, session.run(names, _inputs(ids)), strict=True):
            peak = np.abs(seen).reshape(-1, seen.shape[-1]).max(0)
            peaks[name] = np.maximum(peaks.get(name, peak), peak)
            lowest[name] = min(lowest.get(name, 0.0), float(seen.min()))
    return {name: _InputRange(peaks[name], lowest[name]) for name in names}


def write_int8(
    source: Path, ranges: dict[str, _InputRange], target: Path, recipes: dict[str, Recipe | None]
) -> None:
    """Rewrite the products whose kind has a recipe, and write the model to ``target``."""
    import onnx

    model = onnx.load(source)
    graph = _Int8Graph(model)
    sharing: dict[str, list[Any]] = {}
    for product in _products(model):
        if recipes[graph.kind(product)] is not None:
            sharing.setdefault(product.input[0], []).append(product)
    ready: set[str] = set()
    for node in list(model.graph.node):
        products = sharing.get(node.input[0], []) if node.input else []
        recipe = recipes[graph.kind(node)] if node in products else None
        if recipe is None:
            graph.nodes.append(node)
        elif node.input[0] not in ready:
            # All products of one input (query, key and value) are written where the first of them stood.
            graph.replace(products, ranges[node.input[0]], recipe)
            ready.add(node.input[0])
    graph.finish()
    onnx.save(model, target)


class _Int8Graph:
    """An ONNX graph whose float32 products are being replaced."""

    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.nodes: list[Any] = []
        self.weights = {each.name: each for each in model.graph.initializer}
        self._made = 0
        self._limit = self._constant("limit", np.array(127, np.float32))
        self._tiny = self._constant("tiny", np.array(1e-8, np.float32))
        self._one = self._constant("one", np.array(1, np.float32))
        self._byte = self._constant("byte", np.array(255, np.float32))
        self._middle = self._constant("middle", np.array(128, np.uint8))
        self._bottom = self._constant("bottom", np.array(0, np.uint8))

    def kind(self, product: Any) -> str:
        """The key of a product's recipe."""
        rows, columns = self.weights[product.input[1]].dims
        return "square" if rows == columns else "widening" if rows < columns else "narrowing"

    def replace(self, products: Sequence[Any], seen: _InputRange, recipe: Recipe) -> None:
        """Write the int8 form of products that share one input."""
        from onnx import numpy_helper

        source = products[0].input[0]
        weights = [numpy_helper.to_array(self.weights[each.input[1]]) for each in products]
        weight_peak = np.maximum(np.max([np.abs(each).max(1) for each in weights], axis=0), 1e-5)
        smooth = np.maximum(seen.peak, 1e-5) ** recipe.alpha / weight_peak ** (1 - recipe.alpha)
        smooth = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
        outliers = np.sort(np.argsort(-(seen.peak / smooth), kind="stable")[: recipe.outliers]).astype(
            np.int64
        )
        shrink = 1 / smooth
        shrink[outliers] = 0
        # GELU never falls below a known bound: raised by it, its values are positive and use the whole byte.
        raised = bool(seen.lowest > -_GELU_BOUND)
        quantised, scale, zero = self._quantise_rows(source, shrink, raised)
        if len(outliers):
            apart = self._node("Gather", source, self._constant("outliers", outliers), axis=-1)
        for product, weight in zip(products, weights, strict=True):
            inliers = weight * smooth[:, None]
            inliers[outliers] = 0
            steps = np.maximum(np.abs(inliers).max(0) / 127, 1e-12).astype(np.float32)
            whole = np.clip(np.round(inliers / steps), -127, 127).astype(np.int8)
            sums = self._node("MatMulInteger", quantised, self._constant("weight", whole), zero)
            sums = self._node("Cast", sums, to=1)
            sums = self._node("Mul", sums, self._constant("steps", steps))
            sums = self._node("Mul", sums, scale)
            if raised:
                excess = -_GELU_BOUND * (shrink @ (whole * steps))
                sums = self._node("Add", sums, self._constant("excess", excess.astype(np.float32)))
            if len(outliers):
                rest = self._node("MatMul", apart, self._constant("outlier_weight", weight[outliers]))
                sums = self._node("Add", sums, rest)
            self.nodes[-1].output[0] = product.output[0]

    def _quantise_rows(self, source: str, shrink: Floats, raised: bool) -> tuple[str, str, str]:
        """Bytes of the smoothed input, what one step is worth in each row, and the byte that means zero."""
        smooth = self._node("Mul", source, self._constant("shrink", shrink))
        if raised:
            smooth = self._node("Add", smooth, self._constant("raise", _GELU_BOUND * shrink))
            zero, steps, magnitude = self._bottom, self._byte, smooth
        else:
            zero, steps, magnitude = self._middle, self._limit, self._node("Abs", smooth)
        peak = self._node("Max", self._node("ReduceMax", magnitude, axes=[-1], keepdims=1), self._tiny)
        unit = self._node("Mul", smooth, self._node("Div", steps, peak))
        return self._node("QuantizeLinear", unit, self._one, zero), self._node("Div", peak, steps), zero

    def finish(self) -> None:
        """Put the new nodes in place and drop the weights that nothing reads any more."""
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        read = {name for node in self.nodes for name in node.input}
        kept = [each for each in self.graph.initializer if each.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = self._new_name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, label: str, numbers: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = self._new_name(label)
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(numbers), name))
        return name

    def _new_name(self, label: str) -> str:
        self._made += 1
        return f"int8_{self._made}_{label}"


def _products(model: Any) -> list[Any]:
    weights = {each.name for each in model.graph.initializer if len(each.dims) == 2}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]


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
    """Every other text as a query of 0 to 3 words, whose inputs range differently from a sentence's."""
    return text if place % 2 == 0 else " ".join(text.replace(".", "").split()[-3:][: place // 2 % 4])
