"""A small index whose build takes a fraction of a second: the real build, an encoder of a few hundred kilobytes.

The first version gets its encoder from here; every later build takes over the served version's encoder and
embeddings, as a nightly rebuild does.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from indexer import build as building
from indexer import index_version as versions
from indexer.config import BuildConfig
from indexer.features.text_encoder import CARD_FILE, MODEL_FILE, TOKENIZER_FILE
from indexer.starter import MOVIES, SOUNDTRACKS, TRACKS

FILMS = 40
#: That of the embeddings which the carried parameters read.
_DIMENSION = 384
_VOCABULARY = 256


@dataclass(frozen=True)
class SmallIndex:
    """Sources, weights and a folder with one published version, all within ``home``. Copied, never changed."""

    home: Path

    @property
    def movies(self) -> Path:
        """Films."""
        return self.home / "movies.csv"

    @property
    def tracks(self) -> Path:
        """Songs."""
        return self.home / "tracks.csv"

    @property
    def soundtracks(self) -> Path:
        """Known pairs."""
        return self.home / "soundtracks.csv"

    @property
    def encoder(self) -> Path:
        """The folder that stands for the model's weights."""
        return self.home / "encoder"

    @property
    def indexes(self) -> Path:
        """The folder of versions."""
        return self.home / "indexes"

    def config(self, indexes: Path) -> BuildConfig:
        """Settings of a build into ``indexes``."""
        return BuildConfig(
            movies=self.movies,
            tracks=self.tracks,
            soundtracks=self.soundtracks,
            encoder=str(self.encoder),
            indexes=indexes,
        )

    def arguments(self, indexes: Path) -> list[str]:
        """The same as a command line for ``python -m indexer``."""
        named = {
            "--movies": self.movies,
            "--tracks": self.tracks,
            "--soundtracks": self.soundtracks,
            "--encoder": self.encoder,
            "--indexes": indexes,
        }
        return ["build", *(word for flag, path in named.items() for word in (flag, str(path)))]

    def copy(self, target: Path) -> Path:
        """Copy the folder of versions; a version's files are shared by hard links, as they never change."""
        for source in self.indexes.rglob("*"):
            path = target / source.relative_to(self.indexes)
            if source.is_dir():
                path.mkdir(parents=True)
            elif source.parent == self.indexes:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, path)
        return target

    def copy_whole(self, target: Path) -> Path:
        """Copy the folder of versions, on whatever disk."""
        return Path(shutil.copytree(self.indexes, target))


def make_small_index(home: Path) -> SmallIndex:
    """Write sources and weights into ``home``, then build and publish the first version."""
    home.mkdir(parents=True, exist_ok=True)
    small = SmallIndex(home)
    pairs = _read(SOUNDTRACKS)[1:]
    films = list(dict.fromkeys(row[0] for row in pairs))[:FILMS]
    songs = {row[1] for row in pairs if row[0] in films}
    for source, target, wanted in (
        (MOVIES, small.movies, set(films)),
        (TRACKS, small.tracks, songs),
        (SOUNDTRACKS, small.soundtracks, set(films)),
    ):
        header, *rows = _read(source)
        with target.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([header, *(row for row in rows if row[0] in wanted)])
    small.encoder.mkdir(exist_ok=True)
    (small.encoder / "model.safetensors").write_bytes(b"weights of the small encoder")
    with mock.patch.object(building, "export_encoder", _write_encoder):
        building.build(small.config(small.indexes))
    return small


def start_warm(folder: Path) -> SmallIndex:
    """Make a small index in ``folder`` and build once more in this process, so that forked builds find all loaded.

    The process must hold its libraries to one thread each (see ``__main__``): threads do not survive a fork.
    """
    small = make_small_index(folder / "small")
    building.build(small.config(small.copy(folder / "warm")))
    shutil.rmtree(folder / "warm")
    return small


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def _write_encoder(model: str, folder: Path) -> None:
    """Stand in for the export: the mean of random word vectors, as ONNX, with a tokenizer of letters' pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    table = np.random.default_rng(0).standard_normal((_VOCABULARY, _DIMENSION)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["words", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["vectors"], axis=-1, p=2),
    ]
    shape = ["texts", "tokens"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", _DIMENSION])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, str(folder / MODEL_FILE))
    words = {"[UNK]": 0} | {chr(code): code for code in range(1, _VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / TOKENIZER_FILE))
    card = {
        "name": model,
        "weights_sha256": versions.hash_file(Path(model) / "model.safetensors"),
        "max_tokens": 256,
        "dimension": _DIMENSION,
        "precision": "float32",
    }
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")
