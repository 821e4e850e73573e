"""Pictures to vectors: MobileNetV2 (1280-d, posters) and ResNet-50 (2048-d, covers), pooled before their classifiers.

Two engines: Keras, with the ImageNet weights by their name or from a file, and LiteRT, which runs an int8 .tflite
file of MobileNetV2. Which one encoded is part of a vector's key and of the manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from indexer.errors import MissingModel
from indexer.features.picture_files import DECODING, Pixels
from indexer.features.text_encoder import usable_cores

_logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

IMAGENET = "imagenet"
_TFLITE = ".tflite"
#: Keras' downloads have no time limit of their own.
_DOWNLOAD_TIMEOUT_S = 30.0
_FULL_SET = "python -m pip install -r requirements.txt"


class PictureEncoder(Protocol):
    """Encodes decoded pictures; ``facts`` say what it is, ``key`` names all that its vectors depend on."""

    @property
    def key(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def size_px(self) -> int: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    def encode(self, pixels: Pixels) -> Floats:
        """Vectors (n, dimension) float32 of pictures (n, size_px, size_px, 3) uint8."""


@dataclass(frozen=True)
class _Architecture:
    """One of Keras' applications: its name there, the length of its pooled vector, and whose idea it is here."""

    name: str
    module: str
    dimension: int


MOBILENET = _Architecture("MobileNetV2", "mobilenet_v2", 1280)
RESNET = _Architecture("ResNet50", "resnet50", 2048)


def open_poster_encoder(
    model: str = IMAGENET, tflite: Path | None = None, size_px: int = 224
) -> PictureEncoder:
    """MobileNetV2 for posters.

    ``model``: "imagenet" for Keras' own weights, a file of weights for Keras, or a .tflite file. ``tflite``: the
    file to use where Keras' own weights cannot be reached; that is logged, and ``facts`` say it. Raises
    ``MissingModel``.
    """
    if model != IMAGENET:
        path = Path(model)
        return (
            TfliteEncoder(path, size_px)
            if path.suffix == _TFLITE
            else KerasEncoder(MOBILENET, model, size_px)
        )
    try:
        return KerasEncoder(MOBILENET, model, size_px)
    except MissingModel as error:
        if tflite is None:
            raise MissingModel(
                f"{error}; name a file with --poster-model, or a .tflite one to take its place with --poster-tflite"
            ) from error
        _logger.warning("posters are encoded with %s instead: %s", tflite.name, error)
        return TfliteEncoder(tflite, size_px, instead_of=str(error))


def open_cover_encoder(model: str = IMAGENET, size_px: int = 224) -> PictureEncoder:
    """ResNet-50 for album covers, by the same rule, without a second engine; raises ``MissingModel``."""
    try:
        return KerasEncoder(RESNET, model, size_px)
    except MissingModel as error:
        raise MissingModel(f"{error}; name a file with --cover-model") from error


class KerasEncoder:
    """One of ``tf.keras.applications`` without its classifier, averaged over the picture."""

    def __init__(self, architecture: _Architecture, weights: str, size_px: int) -> None:
        """``weights``: "imagenet", or a file that ``load_weights`` reads. Raises ``MissingModel``."""
        keras = _import_keras()
        self._module = getattr(keras.applications, architecture.module)
        file = None if weights == IMAGENET else Path(weights)
        if file is not None and not file.is_file():
            raise MissingModel(f"there is no file {file} of weights for {architecture.name}")
        build = getattr(self._module, architecture.name)
        shape = (size_px, size_px, 3)
        with _loading():
            try:
                self._model = build(
                    include_top=False, pooling="avg", input_shape=shape, weights=None if file else IMAGENET
                )
                if file is not None:
                    self._model.load_weights(file)
            except Exception as error:
                # Keras raises plain Exception where a download fails, and whatever its readers raise on a bad file.
                raise MissingModel(_say_unloadable(architecture, file, error)) from error
        self.dimension = architecture.dimension
        self.size_px = size_px
        digest = hashlib.sha256()
        for array in self._model.get_weights():
            digest.update(np.ascontiguousarray(array).tobytes())
        self._sha256 = digest.hexdigest()
        self._name = architecture.name
        self._weights = IMAGENET if file is None else file.name
        self._version = str(keras.__version__)

    @property
    def key(self) -> str:
        """Names all that the vectors depend on."""
        return f"{self._name} keras {self.size_px}px decoding-{DECODING} {self._sha256[:16]}"

    @property
    def facts(self) -> dict[str, Any]:
        """Engine, model, weights and input size, for the manifest."""
        return {
            "engine": f"keras {self._version}",
            "model": self._name,
            "weights": self._weights,
            "weights_sha256": self._sha256,
            "dimension": self.dimension,
            "size_px": self.size_px,
        }

    def encode(self, pixels: Pixels) -> Floats:
        """Vectors (n, dimension) float32, scaled and centred as the weights' authors did."""
        ready = self._module.preprocess_input(pixels.astype(np.float32))
        return np.asarray(self._model(ready, training=False), dtype=np.float32)


class TfliteEncoder:
    """MobileNetV2 from a .tflite file, cut off before its classifier and run by LiteRT.

    Files of image classifiers end in pooling, classifier and softmax. What follows the pooled vector is taken out
    of the graph, so that any batch and input size will do (the classifier's reshapes allow one picture only).
    """

    def __init__(self, path: Path, size_px: int = 224, instead_of: str = "") -> None:
        """``instead_of``: why this engine stands in for another. Raises ``MissingModel``."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MissingModel(f"cannot read {path}: {error.strerror or error}") from error
        self._name = path.name
        self._instead_of = instead_of
        self._sha256 = hashlib.sha256(content).hexdigest()
        self._content = content
        self._interpreter: Any = None
        self._batch = 0
        self.dimension = MOBILENET.dimension
        self.size_px = size_px

    @property
    def key(self) -> str:
        """Names all that the vectors depend on."""
        return f"{MOBILENET.name} litert {self.size_px}px decoding-{DECODING} {self._sha256[:16]}"

    @property
    def facts(self) -> dict[str, Any]:
        """Engine, model, weights and input size, for the manifest, and why it stands in for another."""
        said = {"instead_of": self._instead_of} if self._instead_of else {}
        return {
            "engine": "litert",
            "model": MOBILENET.name,
            "weights": self._name,
            "weights_sha256": self._sha256,
            "dimension": self.dimension,
            "size_px": self.size_px,
        } | said

    def encode(self, pixels: Pixels) -> Floats:
        """Vectors (n, dimension) float32; raises ``MissingModel`` where the file is no such model."""
        interpreter = self._ready(len(pixels))
        asked, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        interpreter.set_tensor(asked["index"], _quantise(pixels.astype(np.float32) / 127.5 - 1.0, asked))
        interpreter.invoke()
        rows = interpreter.get_tensor(given["index"]).reshape(len(pixels), -1).astype(np.float32)
        scale, zero = given["quantization"]
        if scale:
            rows = (rows - np.float32(zero)) * np.float32(scale)
        return np.asarray(rows, dtype=np.float32)

    def _ready(self, batch: int) -> Any:
        if self._interpreter is None:
            try:
                from ai_edge_litert.interpreter import Interpreter
            except ImportError as error:
                raise MissingModel(f"{self._name} needs LiteRT: {_FULL_SET}") from error
            try:
                cut = _cut_classifier(self._content, self.dimension)
                self._interpreter = Interpreter(model_content=cut, num_threads=usable_cores())
            except (ValueError, RuntimeError, LookupError, TypeError) as error:
                raise MissingModel(f"{self._name} is no .tflite model that can be used: {error}") from error
        if batch != self._batch:
            shape = [batch, self.size_px, self.size_px, 3]
            self._interpreter.resize_tensor_input(self._interpreter.get_input_details()[0]["index"], shape)
            self._interpreter.allocate_tensors()
            self._batch = batch
        return self._interpreter


def _quantise(values: Floats, tensor: dict[str, Any]) -> npt.NDArray[Any]:
    """Numbers in −1 … 1 as the tensor's type wants them."""
    kind = np.dtype(tensor["dtype"])
    scale, zero = tensor["quantization"]
    if not scale:
        return values.astype(kind)
    bounds = np.iinfo(kind)
    # Halves go up, whichever side of them rounding put them: with the usual scale a byte stays the byte it is.
    levels = np.clip(np.floor(values / scale + 0.501) + zero, bounds.min, bounds.max)
    return np.asarray(levels, dtype=kind)


def _cut_classifier(content: bytes, dimension: int) -> bytes:
    """The model without what follows the last operator whose result is ``dimension`` numbers."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != b"TFL3":
        raise ValueError("it does not begin as a .tflite file does")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    last = max(
        (
            place
            for place, operator in enumerate(graph.operators)
            if int(np.prod(graph.tensors[operator.outputs[0]].shape)) == dimension
        ),
        default=None,
    )
    if last is None:
        raise ValueError(f"it nowhere computes {dimension} numbers for a picture")
    graph.operators = graph.operators[: last + 1]
    graph.outputs = np.array(graph.operators[last].outputs[:1], dtype=np.int32)
    # The signature names the classifier's output; without one, inputs and outputs go by their place.
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _import_keras() -> Any:
    try:
        with _loading():
            import tensorflow
    except ImportError as error:
        raise MissingModel(f"picture models in Keras need TensorFlow: {_FULL_SET}") from error
    return tensorflow.keras


@contextlib.contextmanager
def _loading() -> Iterator[None]:
    """A time limit for downloads, and no warnings of libraries about sizes other than their defaults."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        socket.setdefaulttimeout(before)


def _say_unloadable(architecture: _Architecture, file: Path | None, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    if file is None:
        return f"the ImageNet weights of {architecture.name} cannot be reached ({reason})"
    return f"{file.name} holds no weights of {architecture.name} without its classifier ({reason})"
