"""Songs alike in words and covers: parts that are there, parts that are not, and songs that cannot be asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from indexer.errors import MissingMaterial, UnreadableFile, UnsupportedQuery, VersionDamaged
from indexer.features import pictures
from indexer.features.pictures import PictureVectors
from indexer.methods.lyrics_cover import LyricsCover, Part
from indexer.methods.method import Material

MakeMaterial = Callable[..., Material]

#: Six songs: 0–2 and 4 have lyrics, 1–3 a cover, 5 has neither.
HAVE = {"lyrics": [0, 1, 2, 4], "covers": [1, 2, 3]}
LYRICS = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]]
COVERS = [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]


def part(rows: list[int], vectors: list[list[float]]) -> Part:
    return Part(np.array(rows, dtype=np.int64), np.array(vectors, dtype=np.float16))


@pytest.fixture
def by_hand() -> LyricsCover:
    return LyricsCover(
        {"lyrics": part(HAVE["lyrics"], LYRICS), "covers": part(HAVE["covers"], COVERS)}, 6, {}
    )


def asked(*rows: int) -> npt.NDArray[np.int64]:
    return np.array(rows, dtype=np.int64)


def test_the_score_is_the_cosine_of_the_joined_parts(by_hand: LyricsCover) -> None:
    # Songs 1 and 2: (0.8·0 + 0.6·1 + 1·0.6 + 0·0.8) / 2; with one part on one side, that part over the root of 2.
    half = np.sqrt(0.5)
    scores = by_hand.scores("tracks", asked(0, 1, 3), "tracks")
    expected = [
        [1, 0.8 * half, 0, -1, -1, -1],
        [0.8 * half, 1, 0.6, 0, -0.8 * half, -1],
        [-1, 0, 0, 1, -1, -1],
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_a_song_with_neither_part_cannot_be_asked_for(by_hand: LyricsCover) -> None:
    with pytest.raises(
        UnsupportedQuery, match="neither lyrics nor a cover of this song in this version"
    ) as refusal:
        by_hand.scores("tracks", asked(5), "tracks")
    assert refusal.value.field == "tracks"
    with pytest.raises(UnsupportedQuery, match="of song 2 of the 3 asked for"):
        by_hand.scores("tracks", asked(0, 5, 1), "tracks")
    with pytest.raises(UnsupportedQuery, match="of song 2 of the 2 asked for"):
        by_hand.scores_together({"tracks": asked(0, 5)}, "tracks")
    assert by_hand.known.tolist() == [True, True, True, True, True, False]


@pytest.mark.parametrize(
    ("source", "target", "field"),
    [("tracks", "movies", "target"), ("movies", "tracks", "movies"), ("movies", "movies", "movies")],
)
def test_films_are_refused(by_hand: LyricsCover, source: Any, target: Any, field: str) -> None:
    with pytest.raises(UnsupportedQuery, match="from songs to songs") as refusal:
        by_hand.scores(source, asked(0), target)
    assert refusal.value.field == field


# --- fitting -------------------------------------------------------------------------------------------------


class LetterEncoder:
    """Stands in for a build's encoder: a text is the direction of its first letter."""

    name, weights_sha256, precision, dimension, max_tokens = "letters", "0" * 64, "float32", 4, 64

    def encode_all(self, texts: list[str]) -> npt.NDArray[np.float32]:
        return np.eye(4, dtype=np.float32)[[ord(text[0]) - ord("a") for text in texts]]


@pytest.fixture
def give(make_material: MakeMaterial, tmp_path: Path) -> Callable[..., Material]:
    """Material of six songs with lyrics by song number and whatever else is given."""
    encoder: Any = LetterEncoder()

    def make(lyrics: dict[str, str] | None = None, **more: Any) -> Material:
        files = dict(more.pop("files", {}))
        if lyrics is not None:
            folder = tmp_path / "lyrics"
            folder.mkdir()
            for name, text in lyrics.items():
                (folder / f"{name}.txt").write_text(text, encoding="utf-8")
            files["lyrics"] = folder
        songs = [{} for _ in range(6)]
        return replace(make_material([{}], songs, files=files), encoder=encoder, **more)

    return make


def test_lyrics_alone_are_enough(give: Callable[..., Material]) -> None:
    method = LyricsCover.fit(give({"t0": "a b", "t1": "a", "t3": "b", "t5": "[Chorus]", "gone": "a"}))
    # "a b" is read as one chunk, so it is as "a": twice a, once b, around their mean.
    scores = method.scores("tracks", asked(0), "tracks")
    np.testing.assert_allclose(scores, [[1, 1, -1, -1, -1, -1]], atol=1e-3)
    assert method.known.tolist() == [True, True, False, True, False, False]
    assert method.facts == {
        "songs": 6,
        "lyrics": {
            "model": "letters",
            "dimension": 4,
            "read": 5,
            "used": 4,
            "unmatched": 1,
            "empty": 0,
            "repeated": 0,
        },
        "both": 0,
        "neither": 3,
    }


def test_the_only_song_with_lyrics_is_kept_as_it_is(give: Callable[..., Material]) -> None:
    method = LyricsCover.fit(give({"t2": "c"}))
    assert method.scores("tracks", asked(2), "tracks").tolist() == [[-1, -1, 1, -1, -1, -1]]


def test_covers_join_lyrics(
    give: Callable[..., Material], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    covers = tmp_path / "covers"
    covers.mkdir()
    seen: list[Any] = []

    def read_covers(tracks: Any, folder: Path, options: Any, cache: Any, tell: Any) -> PictureVectors:
        seen.append((list(tracks["id"])[:2], folder, options, cache))
        vectors = np.array([[3, 0, 0], [0, 3, 0]], dtype=np.float32)
        return PictureVectors(asked(1, 4), vectors, {"items": 2, "seconds": 1.5, "encoded": 2, "reused": 0})

    monkeypatch.setattr(pictures, "read_covers", read_covers)
    options = {"cover_model": "some.h5"}
    material = give({"t0": "a", "t1": "b"}, files={"covers": covers}, cache=tmp_path / "c", options=options)
    method = LyricsCover.fit(material)
    assert seen == [(["t0", "t1"], covers, options, tmp_path / "c")]
    # Around its mean either part has two ends: song 1 is opposite to song 0 in lyrics and to song 4 in cover.
    half = np.sqrt(0.5)
    scores = method.scores("tracks", asked(1, 4), "tracks")
    np.testing.assert_allclose(scores, [[-half, 1, -1, -1, -half, -1], [-1, -half, -1, -1, 1, -1]], atol=1e-3)
    assert method.facts["covers"] == {"items": 2}
    assert (method.facts["both"], method.facts["neither"]) == (1, 3)


def test_what_is_needed_is_named(give: Callable[..., Material]) -> None:
    with pytest.raises(MissingMaterial, match="set lyrics, covers or both"):
        LyricsCover.fit(give())
    with pytest.raises(MissingMaterial, match="none of the files in lyrics is of a song in the catalogue"):
        LyricsCover.fit(give({"elsewhere": "a"}))


def test_a_bad_file_stops_the_fit_with_its_name(give: Callable[..., Material]) -> None:
    material = give({"t0": "a"})
    (material.files["lyrics"] / "t1.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UnreadableFile, match=r"t1\.txt is not UTF-8"):
        LyricsCover.fit(material)


def test_texts_are_neither_in_the_version_nor_in_the_cache(
    give: Callable[..., Material], tmp_path: Path
) -> None:
    words = "a certain secret sentence"
    material = give({"t0": words, "t1": "b"}, cache=tmp_path / "cache")
    LyricsCover.fit(material).write(tmp_path / "written")
    files = [path for name in ("cache", "written") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert len(files) == 6
    assert not [path for path in files if b"secret" in path.read_bytes()]


def test_progress_is_told(give: Callable[..., Material]) -> None:
    told: list[tuple[str, int, int]] = []
    LyricsCover.fit(give({"t0": "a", "t1": "b"}, tell=lambda *step: told.append(step)))
    assert told == [("lyrics", 2, 2)]


@pytest.mark.parametrize(
    "damage",
    [{"rows": [0, 1, 2, 9]}, {"rows": [0, 2, 1, 4]}, {"rows": [0, 1]}, {"items": "six"}, {"items": 2}],
)
def test_files_that_do_not_fit_each_other_are_damage(
    by_hand: LyricsCover, tmp_path: Path, damage: dict[str, Any]
) -> None:
    by_hand.write(tmp_path / "m")
    if "rows" in damage:
        np.save(tmp_path / "m" / "lyrics_rows.npy", np.array(damage["rows"], dtype=np.int64))
    else:
        card = tmp_path / "m" / "lyrics-cover.json"
        card.write_text(json.dumps(json.loads(card.read_text(encoding="utf-8")) | damage), encoding="utf-8")
    with pytest.raises(VersionDamaged):
        LyricsCover.open(tmp_path / "m")
