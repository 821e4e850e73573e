"""Long texts: what of them is read, how they are cut, and what comes out as numbers."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from indexer.errors import InputError, MissingColumn, MissingModel, UnreadableFile
from indexer.features import long_text, long_text_files
from indexer.features.encoder_export import find_weights
from indexer.features.long_text import clean_lyrics, count_tokens, embed_texts, rate_positivity, split_text
from indexer.features.long_text_files import find_texts, read_subtitles
from indexer.features.long_text_model import ModelReader, choose_reader

ROOT = Path(__file__).resolve().parents[2]

SRT = """\ufeff1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> <font color="red">there</font>

2
00:00:02,500 --> 00:00:05,000
{\\an8}- Who?
- Me &amp; you!

3
00:00:05,000 --> 00:00:06,000
- Me &amp; you!
"""
VTT = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE a remark

intro
00:01.000 --> 00:04.000 line:0
<v Roger>Hi <c.loud>you</c>

00:00:05.000 --> 00:00:06.000
two <00:00:05.500>words
"""


def table(ids: Sequence[str], other: Sequence[str | None], column: str) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, column: other})


@pytest.fixture
def songs() -> pd.DataFrame:
    return table(["t0", "t1", "t2"], ["", "x1|y1", ""], "other_ids")


@pytest.fixture
def films() -> pd.DataFrame:
    return table(["10", "11", "12"], ["tt10", None, "tt12"], "imdb_id")


def write(folder: Path, **files: str | bytes) -> Path:
    """Files by name, "t0_txt" for t0.txt."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


class Reader:
    """One direction for each first letter; counts what it is asked."""

    key, dimension, max_tokens = "letters", 26, 40

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode_all(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.asked += texts
        rows = np.zeros((len(texts), 26), dtype=np.float32)
        for row, text in enumerate(texts):
            rows[row, ord(text[0]) - ord("a")] = 1
        return rows


# --- cutting -------------------------------------------------------------------------------------------------


def test_chunks_end_where_lines_end() -> None:
    text = "one two three\nfour five\n\nsix\nseven eight nine ten"
    assert split_text(text, 5) == ["one two three\nfour five", "six\nseven eight nine ten"]


def test_a_line_that_is_too_long_is_cut_between_words_and_no_word_is_lost() -> None:
    words = [f"word{number}" for number in range(100)]
    chunks = split_text(" ".join(words), 30)
    assert " ".join(chunks).split() == words
    assert max(sum(map(count_tokens, chunk.split())) for chunk in chunks) <= 30
    assert len(chunks) == 10


def test_a_text_without_spaces_is_cut_too() -> None:
    chunks = split_text("あ" * 500, 60)
    assert "".join(chunks).replace(" ", "").replace("\n", "") == "あ" * 500
    assert max(len(chunk.replace(" ", "")) for chunk in chunks) == 20


def test_a_text_of_blanks_has_no_chunks() -> None:
    assert split_text(" \n\t\n", 10) == []


@pytest.mark.parametrize(
    ("word", "tokens"),
    [("love", 1), ("chorus", 1), ("umbrella", 2), ("it's", 2), ("я", 2), ("사랑", 6), ("12", 2)],
)
def test_tokens_are_estimated(word: str, tokens: int) -> None:
    assert count_tokens(word) == tokens


@pytest.mark.parametrize(
    "text",
    [
        "In the heart of the city a young woman finds out that nothing is what it seems to be. " * 60,
        "Я помню чудное мгновенье: передо мной явилась ты, как мимолетное виденье " * 40,
        "나는 당신을 사랑합니다 그리고 우리는 함께 노래를 부릅니다 " * 40,
        "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 40,
        "Donaudampfschifffahrtsgesellschaft fährt über Brücken und Straßen " * 60,
        "?!... --- ,,, 12345 67-89 & % $ " * 60,
    ],
)
def test_chunks_fit_what_the_default_encoder_reads(text: str) -> None:
    from tokenizers import Tokenizer

    folder = find_weights("all-MiniLM-L6-v2")
    assert folder is not None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    longest = max(len(tokenizer.encode(chunk).ids) for chunk in split_text(text, 240))
    assert 80 < longest <= 256


def test_headings_and_time_stamps_are_not_sung() -> None:
    lyrics = "[Intro]\n[00:12.50]La la [00:13]la\n[Chorus: All]\n(Bridge)\n[not a heading] yes\n(ooh)"
    assert clean_lyrics(lyrics) == "La la la\n[not a heading] yes\n(ooh)"


# --- positivity ----------------------------------------------------------------------------------------------


def test_positivity_is_the_share_of_what_is_positive() -> None:
    rated = rate_positivity(["good", "bad", "a table", "", "good\nbad"])
    np.testing.assert_allclose(rated, [1, 0, np.nan, np.nan, 2.9 / 6.4], atol=0.001)


def test_chunks_count_by_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_text, "_RATED_TOKENS", 4)
    # Chunks "good good good good" (pos 1), "bad a table box" (neg 0.538 of 4 words): 4 / (4 + 2.15).
    (rated,) = rate_positivity(["good good good good\nbad a table box"])
    assert rated == pytest.approx(4 / (4 + 4 * 0.538), abs=0.002)


# --- embedding -----------------------------------------------------------------------------------------------


def test_an_embedding_is_the_mean_of_chunks_by_words() -> None:
    # 24 tokens a chunk: a chunk of 24 words "a", one of 12 words "b".
    text = " ".join(["a"] * 24 + ["b"] * 12)
    embedded = embed_texts([text, "", "c d"], 3, Reader())
    expected = np.zeros((3, 26))
    expected[0, :2] = np.array([2, 1]) / np.sqrt(5)
    expected[2, 2] = 1
    np.testing.assert_allclose(embedded.vectors, expected, atol=1e-6)
    assert (embedded.encoded, embedded.reused) == (3, 0)


def test_a_cached_text_is_not_read_again_by_the_same_model(tmp_path: Path) -> None:
    first, again, other = Reader(), Reader(), Reader()
    before = embed_texts(["alpha", "beta"], 2, first, tmp_path)
    after = embed_texts(["beta", "gamma", "alpha"], 3, again, tmp_path)
    assert again.asked == ["gamma"]
    assert (after.encoded, after.reused) == (1, 2)
    np.testing.assert_array_equal(after.vectors[[2, 0]], before.vectors)
    other.key = "another"
    embed_texts(["alpha"], 1, other, tmp_path)
    assert other.asked == ["alpha"]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"alpha" not in kept


def test_an_interruption_loses_one_batch_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_text, "_TEXTS_AT_ONCE", 2)
    names = ["a", "b", "c", "d", "e"]

    def interrupted() -> Iterator[str]:
        yield from names[:3]
        raise KeyboardInterrupt

    told: list[tuple[int, int]] = []
    with pytest.raises(KeyboardInterrupt):
        embed_texts(interrupted(), 5, Reader(), tmp_path, lambda *step: told.append(step))
    again = Reader()
    embed_texts(names, 5, again, tmp_path, lambda *step: told.append(step))
    assert again.asked == ["c", "d", "e"]
    assert told == [(2, 5), (2, 5), (4, 5), (5, 5)]


# --- files ---------------------------------------------------------------------------------------------------


def test_files_are_found_by_any_id_of_an_item(tmp_path: Path, songs: pd.DataFrame) -> None:
    folder = write(
        tmp_path / "f", t2_txt="two", y1_LRC="[00:01.00]one", zz_txt="who?", t0_txt=" \n", cover_jpg=b"\xff"
    )
    found = find_texts(folder, "tracks", songs)
    assert dict(zip(found.rows, found.texts(), strict=True)) == {1: "one", 2: "two"}
    assert found.counts == {"read": 4, "used": 2, "unmatched": 1, "empty": 1, "repeated": 0}


def test_of_several_files_of_a_film_the_script_is_taken(tmp_path: Path, films: pd.DataFrame) -> None:
    folder = write(tmp_path / "f", tt10_srt=SRT, tt10_vtt=VTT, **{"10_txt": "script"}, tt12_srt=SRT)
    found = find_texts(folder, "movies", films)
    assert dict(zip(found.rows, found.texts(), strict=True)) == {
        0: "script",
        2: "Hello there\n- Who?\n- Me & you!",
    }
    assert found.counts["repeated"] == 2


def test_subtitles_lose_timings_tags_styles_and_notes() -> None:
    assert read_subtitles(SRT.removeprefix("\ufeff"), "a.srt") == "Hello there\n- Who?\n- Me & you!"
    assert read_subtitles(VTT, "a.vtt") == "Hi you\ntwo words"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "t0.txt",
            "caf\u00e9".encode("latin-1"),
            r"t0\.txt is not UTF-8 \(byte 0xe9 at 3\): save it as UTF-8",
        ),
        ("t0.txt", "hello".encode("utf-16"), r"t0\.txt is not UTF-8 \(byte 0xff at 0\)"),
        ("t0.txt", b"PK\x03\x04\x00\x00", r"t0\.txt is not a text: it holds zero bytes"),
        ("t0.srt", b"no subtitles at all", r"t0\.srt holds no subtitles that can be read"),
        ("t0.txt", b"x" * 51, r"t0\.txt has 0\.0 MB, more than the 0 MB that a text may have"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, songs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    monkeypatch.setattr(long_text_files, "MOST_BYTES", 50)
    (tmp_path / name).write_bytes(content)
    (tmp_path / "t1.txt").write_text("fine", encoding="utf-8")
    with pytest.raises(UnreadableFile, match=said):
        find_texts(tmp_path, "tracks", songs)


def test_all_bad_files_are_named_at_once_but_for_a_long_list(tmp_path: Path) -> None:
    many = table([f"t{at}" for at in range(8)], [""] * 8, "other_ids")
    for at in range(8):
        (tmp_path / f"t{at}.txt").write_bytes(b"\xff")
    with pytest.raises(UnreadableFile) as refusal:
        find_texts(tmp_path, "tracks", many)
    assert re.findall(r"t\d\.txt", str(refusal.value)) == [f"t{at}.txt" for at in range(5)]
    assert str(refusal.value).endswith("; and 3 more")


def test_what_is_nobodys_is_not_read(tmp_path: Path, songs: pd.DataFrame) -> None:
    folder = write(tmp_path / "f", other_txt=b"\xff\x00", t0_txt="mine")
    assert list(find_texts(folder, "tracks", songs).texts()) == ["mine"]


def test_a_folder_without_texts_and_a_file_of_another_kind_are_told(
    tmp_path: Path, songs: pd.DataFrame
) -> None:
    (tmp_path / "t0.docx").write_bytes(b"PK")
    with pytest.raises(InputError, match="holds no texts"):
        find_texts(tmp_path, "tracks", songs)
    with pytest.raises(UnreadableFile, match=r"neither a folder of texts nor a \.csv file"):
        find_texts(tmp_path / "t0.docx", "tracks", songs)


def write_csv(path: Path, header: str, *lines: Sequence[str]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header.split(), *lines])
    return path


def test_a_table_is_read_by_its_id_and_its_best_column(tmp_path: Path, films: pd.DataFrame) -> None:
    path = write_csv(
        tmp_path / "films.csv",
        "plot imdb_id script",
        ("p", "tt12", "a\nscript"),
        ("p", "tt10", " "),
        ("p", "tt99", "s"),
        ("p", "tt12", "twice"),
        ("p", "tt10", "x" * 200_000),
    )
    found = find_texts(path, "movies", films)
    assert dict(zip(found.rows, found.texts(), strict=True)) == {2: "a\nscript", 0: "x" * 200_000}
    assert found.counts == {"read": 5, "used": 2, "unmatched": 1, "empty": 1, "repeated": 1}
    # Other readers keep their limit.
    assert csv.field_size_limit() == 131_072


def test_a_table_lacking_what_is_needed_is_told(
    tmp_path: Path, songs: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingColumn, match="no column track_id or id"):
        find_texts(write_csv(tmp_path / "a.csv", "title lyrics"), "tracks", songs)
    with pytest.raises(MissingColumn, match="no column lyrics or text"):
        find_texts(write_csv(tmp_path / "b.csv", "track_id words"), "tracks", songs)
    (tmp_path / "c.csv").write_bytes("track_id,lyrics\nt0,caf\u00e9\n".encode("latin-1"))
    with pytest.raises(UnreadableFile, match=r"c\.csv cannot be read as a CSV file in UTF-8"):
        find_texts(tmp_path / "c.csv", "tracks", songs)
    monkeypatch.setattr(long_text_files, "MOST_BYTES", 50)
    with pytest.raises(UnreadableFile, match=r"d\.csv: the text of t0 has"):
        find_texts(write_csv(tmp_path / "d.csv", "track_id lyrics", ("t0", "x" * 51)), "tracks", songs)


# --- models --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 32 numbers with random weights, as it is saved for a folder of one's own."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "love", "rain", "night"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=48,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=48).save_pretrained(folder)
    return folder


def test_a_bert_from_a_folder_reads_long_texts(bert: Path, tmp_path: Path) -> None:
    reader = choose_reader(str(bert), None)
    assert (reader.name, reader.dimension, reader.max_tokens) == (bert.name, 32, 48)
    embedded = embed_texts(["love rain " * 40, "night", "love rain " * 40], 3, reader, tmp_path)
    np.testing.assert_allclose(np.linalg.norm(embedded.vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(embedded.vectors[0], embedded.vectors[2])
    assert float(embedded.vectors[0] @ embedded.vectors[1]) < 0.99
    assert ModelReader(str(bert)).key == reader.key


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MissingModel, match="could not be loaded"):
        ModelReader(str(tmp_path))
    with pytest.raises(MissingModel, match="no text model was named"):
        choose_reader(None, None)


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import json, sys; from indexer.features import long_text, long_text_files, long_text_model;"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done: Any = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in re.findall(r'"([^"]+)"', done.stdout)}
    assert loaded & {"pandas", "torch", "sentence_transformers", "vaderSentiment", "pysubs2"} == set()
