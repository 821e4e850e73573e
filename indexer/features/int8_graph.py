"""Rewriting an encoder's float32 ONNX graph for int8: which nodes replace a product, and what they are fed.

The inputs of a product are smoothed channel by channel, so that part of their range moves into the weights
(SmoothQuant, Xiao et al. 2023). The few channels that still stand out are left to a small float32 product
(LLM.int8, Dettmers et al. 2022). The rest runs in int8, with one scale for each row of inputs, measured at
run time, and one for each column of weights. A row's result thus depends on that row alone, not on its batch.
What rounding the weights does to an average input is taken back through the bias that follows the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CONTRIB = "com.microsoft"
# GELU's minimum is −0.16997, that of its tanh form −0.17004.
_GELU_BOUND = np.float32(0.1701)


@dataclass(frozen=True)
class Rows:
    """Int8 with one scale to a row of inputs and to a column of weights.

    ``alpha``: the share of an input channel's range that moves into the weights, 0 to 1. ``outliers``: how
    many channels are computed in float32.
    """

    alpha: float
    outliers: int


@dataclass(frozen=True)
class Blocks:
    """Int8 with one scale to ``size`` inputs and weights: slower on many rows, faithful without smoothing."""

    size: int


Recipe = Rows | Blocks


@dataclass(frozen=True)
class InputRange:
    """What calibration saw of a product's input: each channel's largest magnitude and mean, the lowest value."""

    peak: Floats
    mean: Floats
    lowest: float


def products(model: Any) -> list[Any]:
    """The nodes that multiply by a constant matrix."""
    weights = {each.name for each in model.graph.initializer if len(each.dims) == 2}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]


def split_skip_layer_norms(model: Any) -> None:
    """Write each fused skip and layer norm as sums and a plain layer norm, which ONNX Runtime runs 7 times faster."""
    from onnx import helper

    nodes = []
    for node in model.graph.node:
        if node.op_type != "SkipLayerNormalization" or any(node.output[1:]):
            nodes.append(node)
            continue
        total, skip, gamma, beta, *bias = node.input
        for addend in (*bias, skip):
            nodes.append(helper.make_node("Add", [total, addend], [f"{node.output[0]}_plus_{addend}"]))
            total = nodes[-1].output[0]
        (epsilon,) = (each.f for each in node.attribute if each.name == "epsilon")
        nodes.append(
            helper.make_node(
                "LayerNormalization", [total, gamma, beta], node.output[:1], axis=-1, epsilon=epsilon
            )
        )
    del model.graph.node[:]
    model.graph.node.extend(nodes)


class Int8Graph:
    """An ONNX graph (opset 17) whose float32 products are being replaced."""

    def __init__(self, model: Any) -> None:
        self._graph = model.graph
        self._weights = {each.name: each for each in model.graph.initializer}
        self._consumers = {name: node for node in model.graph.node for name in node.input}
        self._nodes: list[Any] = []
        self._made = 0
        self._tiny = self._constant("tiny", np.array(1e-8, np.float32))
        self._one = self._constant("one", np.array(1, np.float32))
        self._axis = self._constant("axis", np.array([1], np.int64))
        self._middle = self._constant("middle", np.array(128, np.uint8))
        self._bottom = self._constant("bottom", np.array(0, np.uint8))
        # The tokens' shape, to fold rows back; and the byte that means zero, once for each row.
        first = self._node("Shape", model.graph.input[0].name)
        self._tokens = self._node("Concat", first, self._constant("rest", np.array([-1], np.int64)), axis=0)
        size = self._node("Size", model.graph.input[0].name)
        count = self._node("Unsqueeze", size, self._constant("front", np.array([0], np.int64)))
        self._middles = self._node("Expand", self._middle, count)

    def kind(self, product: Any) -> str:
        """``square``, ``widening`` or ``narrowing``, by the shape of the product's weights."""
        rows, columns = self._weights[product.input[1]].dims
        return "square" if rows == columns else "widening" if rows < columns else "narrowing"

    def keep(self, node: Any) -> None:
        """Take a node over as it is, but GELU in its tanh form: a third faster, to 0.99999 cosine the same."""
        if node.op_type == "BiasGelu":
            node.op_type = "FastGelu"
        self._nodes.append(node)

    def replace(self, shared: Sequence[Any], seen: InputRange, recipe: Recipe) -> None:
        """Write the int8 form of the products that share one input."""
        if isinstance(recipe, Rows):
            self._replace_by_rows(shared, seen, recipe)
            return
        for product in shared:
            self._replace_by_blocks(product, recipe.size)

    def finish(self) -> None:
        """Put the new nodes in place and drop the weights that nothing reads any more."""
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        read = {name for node in self._nodes for name in node.input}
        kept = [each for each in self._weights.values() if each.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _replace_by_rows(self, shared: Sequence[Any], seen: InputRange, recipe: Rows) -> None:
        weights = [self._array(each.input[1]) for each in shared]
        weight_peak = np.maximum(np.max([np.abs(each).max(1) for each in weights], axis=0), 1e-5)
        smooth = np.maximum(seen.peak, 1e-5) ** recipe.alpha / weight_peak ** (1 - recipe.alpha)
        smooth = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
        outliers = np.sort(np.argsort(-(seen.peak / smooth), kind="stable")[: recipe.outliers])
        shrink = 1 / smooth
        shrink[outliers] = 0
        # GELU never falls below a known bound: raised by it, its values are positive and use the whole byte.
        raised = bool(seen.lowest > -_GELU_BOUND)
        rows = self._node("Flatten", shared[0].input[0], axis=-1)
        quantised, scale, zero = self._quantise_rows(rows, shrink, raised)
        if len(outliers):
            apart = self._node("Gather", rows, self._constant("outliers", outliers), axis=1)
        for product, weight in zip(shared, weights, strict=True):
            inliers = weight * smooth[:, None]
            inliers[outliers] = 0
            steps = np.maximum(np.abs(inliers).max(0) / 127, 1e-12).astype(np.float32)
            whole = np.clip(np.round(inliers / steps), -127, 127).astype(np.int8)
            sums = self._node(
                "MatMulIntegerToFloat",
                quantised,
                self._constant("weight", whole),
                self._one,
                self._constant("steps", steps),
                zero,
                domain=_CONTRIB,
            )
            sums = self._node("Mul", sums, scale)
            if len(outliers):
                rest = self._node("MatMul", apart, self._constant("outlier_weight", weight[outliers]))
                sums = self._node("Add", sums, rest)
            rounded = whole * steps
            offset = (seen.mean * shrink) @ (inliers - rounded)
            if raised:
                offset -= _GELU_BOUND * (shrink @ rounded)
            if not self._add_to_bias(product.output[0], offset):
                sums = self._node("Add", sums, self._constant("offset", offset))
            self._node("Reshape", sums, self._tokens)
            self._nodes[-1].output[0] = product.output[0]

    def _quantise_rows(self, source: str, shrink: Floats, raised: bool) -> tuple[str, str, str]:
        """Bytes of the smoothed input, what one step is worth in each row, and the byte that means zero."""
        smooth = self._node("Mul", source, self._constant("shrink", shrink))
        if raised:
            smooth = self._node("Add", smooth, self._constant("raise", _GELU_BOUND * shrink))
        magnitude = smooth if raised else self._node("Abs", smooth)
        peak = self._node("Max", self._node("ReduceMax", magnitude, axes=[-1], keepdims=1), self._tiny)
        part = self._constant("part", np.array(1 / (255 if raised else 127), np.float32))
        scale = self._node("Mul", peak, part)
        scales = self._node("Squeeze", scale, self._axis)
        # Without zero points the bytes start at zero.
        zeros = [] if raised else [self._middles]
        quantised = self._node("QuantizeLinear", smooth, scales, *zeros, axis=0)
        return quantised, scale, self._bottom if raised else self._middle

    def _replace_by_blocks(self, product: Any, size: int) -> None:
        weight = self._array(product.input[1])
        inputs, outputs = weight.shape
        blocks = np.ascontiguousarray(weight.T).reshape(outputs, inputs // size, size)
        steps = np.maximum(np.abs(blocks).max(-1) / 127, 1e-12).astype(np.float32)
        whole = (np.clip(np.round(blocks / steps[..., None]), -127, 127) + 128).astype(np.uint8)
        self._node(
            "MatMulNBits",
            product.input[0],
            self._constant("weight", whole),
            self._constant("steps", steps),
            domain=_CONTRIB,
            K=inputs,
            N=outputs,
            bits=8,
            block_size=size,
            accuracy_level=4,
        )
        self._nodes[-1].output[0] = product.output[0]

    def _add_to_bias(self, product: str, offset: Floats) -> bool:
        """Add to the bias that follows a product; False where none does."""
        from onnx import numpy_helper

        node = self._consumers.get(product)
        if node is None:
            return False
        place = {"BiasGelu": 1, "FastGelu": 1, "Add": 1, "MultiHeadAttention": 3}.get(node.op_type)
        if place is None or len(node.input) <= place or node.input[place] not in self._weights:
            return False
        bias = self._array(node.input[place]).copy()
        part = list(node.input).index(product) * len(offset) if node.op_type == "MultiHeadAttention" else 0
        if bias.ndim != 1 or len(bias) < part + len(offset):
            return False
        bias[part : part + len(offset)] += offset
        self._weights[node.input[place]] = numpy_helper.from_array(bias, node.input[place])
        return True

    def _array(self, name: str) -> NDArray[Any]:
        from onnx import numpy_helper

        array: NDArray[Any] = numpy_helper.to_array(self._weights[name])
        return array

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = self._new_name(kind)
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def _constant(self, label: str, numbers: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = self._new_name(label)
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(numbers), name)
        return name

    def _new_name(self, label: str) -> str:
        self._made += 1
        return f"int8_{self._made}_{label}"
