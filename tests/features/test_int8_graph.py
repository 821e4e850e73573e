"""Rewritten graphs: what they compute stays the same, a row's result depends on that row alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.features.encoder_quantisation import make_int8, measure_inputs
from indexer.features.int8_graph import Blocks, InputRange, Recipe, Rows, split_skip_layer_norms
from indexer.features.text_encoder import start_session

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

TOKENS, WIDTH, OUT = 50, 64, 32


def save(path: Path, nodes: list[Any], constants: dict[str, NDArray[Any]]) -> Path:
    """A model of token ids (texts, tokens) to floats ``y``."""
    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "model",
        [
            helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["texts", "tokens"]),
            helper.make_tensor_value_info("attention_mask", onnx.TensorProto.INT64, ["texts", "tokens"]),
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(numbers, name) for name, numbers in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def run(path: Path, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    session = start_session(path, 1)
    fed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    wanted = {each.name for each in session.get_inputs()}
    found: NDArray[np.float32] = session.run(None, {name: fed[name] for name in fed if name in wanted})[0]
    return found


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A look-up, a product and a bias; one channel of the looked-up numbers stands out."""
    rng = np.random.default_rng(7)
    table = rng.standard_normal((TOKENS, WIDTH)).astype(np.float32)
    table[:, 5] *= 40
    constants = {
        "table": table,
        "weight": (rng.standard_normal((WIDTH, OUT)) / 8).astype(np.float32),
        "bias": rng.standard_normal(OUT).astype(np.float32),
    }
    nodes = [
        onnx.helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        onnx.helper.make_node("MatMul", ["x", "weight"], ["product"]),
        onnx.helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    return save(tmp_path / "layer.onnx", nodes, constants)


def all_tokens() -> list[NDArray[np.int64]]:
    return [np.arange(start, start + 10)[None] for start in range(0, TOKENS, 10)]


@pytest.mark.parametrize(
    ("recipe", "bound"), [(Rows(0.5, 1), 0.02), (Rows(0.5, 0), 0.06), (Blocks(16), 0.02)]
)
def test_int8_products_are_near_the_exact_ones(
    layer: Path, tmp_path: Path, recipe: Recipe, bound: float
) -> None:
    ranges = measure_inputs(layer, all_tokens())
    rough = tmp_path / "rough.onnx"
    onnx.save(make_int8(layer, ranges, {"narrowing": recipe}), rough)
    ids = np.arange(20).reshape(2, 10)
    exact, found = run(layer, ids), run(rough, ids)
    assert found.shape == exact.shape == (2, 10, OUT)
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    # Not exact either: it would not have been rewritten.
    assert 1e-5 < error < bound


def test_a_row_does_not_depend_on_the_others(layer: Path, tmp_path: Path) -> None:
    ranges = measure_inputs(layer, all_tokens())
    rough = tmp_path / "rough.onnx"
    onnx.save(make_int8(layer, ranges, {"narrowing": Rows(0.5, 1)}), rough)
    together = run(rough, np.arange(20).reshape(2, 10))
    alone = run(rough, np.array([[13]]))
    np.testing.assert_allclose(together[1, 3], alone[0, 0], rtol=1e-5, atol=1e-5)


def test_the_bias_takes_back_what_rounding_does_to_the_average(layer: Path, tmp_path: Path) -> None:
    ranges = measure_inputs(layer, all_tokens())
    ids = np.arange(TOKENS)[None]
    exact = run(layer, ids)
    shift = {}
    blind = {
        name: InputRange(each.peak, np.zeros_like(each.mean), each.lowest) for name, each in ranges.items()
    }
    for label, measured in (("corrected", ranges), ("blind", blind)):
        rough = tmp_path / f"{label}.onnx"
        onnx.save(make_int8(layer, measured, {"narrowing": Rows(0.5, 0)}), rough)
        shift[label] = np.abs((run(rough, ids) - exact).mean((0, 1))).max()
    assert shift["corrected"] < shift["blind"]


def test_inputs_are_measured_by_channel_and_texts_count_alike(layer: Path) -> None:
    table = onnx.numpy_helper.to_array(onnx.load(layer).graph.initializer[0])
    [found] = measure_inputs(layer, [np.array([[1, 2, 3]]), np.array([[4]])]).values()
    np.testing.assert_allclose(found.peak, np.abs(table[1:5]).max(0), rtol=1e-6)
    np.testing.assert_allclose(found.mean, (table[1:4].mean(0) + table[4]) / 2, rtol=1e-4, atol=1e-5)
    assert found.lowest == table[1:5].min()


def test_products_without_a_recipe_or_a_fitting_block_stay(layer: Path) -> None:
    ranges = measure_inputs(layer, all_tokens())
    for recipes in ({"square": Rows(0.5, 1)}, {"narrowing": Blocks(48)}):
        kinds = [node.op_type for node in make_int8(layer, ranges, recipes).graph.node]
        assert "MatMul" in kinds
        assert not {"MatMulNBits", "MatMulIntegerToFloat"} & set(kinds)


def test_split_layer_norms_give_the_same_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    constants = {name: rng.standard_normal(WIDTH).astype(np.float32) for name in ("gamma", "beta", "bias")}
    constants |= {
        name: rng.standard_normal((TOKENS, WIDTH)).astype(np.float32) for name in ("table", "skips")
    }
    nodes = [
        onnx.helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        onnx.helper.make_node("Gather", ["skips", "input_ids"], ["skip"]),
        onnx.helper.make_node(
            "SkipLayerNormalization",
            ["x", "skip", "gamma", "beta", "bias"],
            ["y"],
            domain="com.microsoft",
            epsilon=1e-12,
        ),
    ]
    fused = save(tmp_path / "fused.onnx", nodes, constants)
    model = onnx.load(fused)
    split_skip_layer_norms(model)
    onnx.save(model, tmp_path / "split.onnx")
    assert [node.op_type for node in model.graph.node] == [
        "Gather",
        "Gather",
        "Add",
        "Add",
        "LayerNormalization",
    ]
    ids = np.arange(12).reshape(2, 6)
    np.testing.assert_allclose(run(tmp_path / "split.onnx", ids), run(fused, ids), rtol=1e-4, atol=1e-5)
