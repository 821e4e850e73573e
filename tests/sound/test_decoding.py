"""Files of all kinds are decoded, and broken ones refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from sound_files import RATE_HZ, patched_wav, sine, write_file

from indexer.errors import NotSound, SoundRefused, SoundTooLarge
from indexer.sound.containers import MOST_BYTES, tell_container
from indexer.sound.decoding import decode
from indexer.sound.loudness import LoudnessMeter


@pytest.mark.parametrize("kind", ["MP3", "OGG", "WAV", "FLAC"])
def test_each_kind_of_file_is_told_by_its_bytes_and_decoded(kind):
    content = write_file(np.stack([sine(), sine()], axis=1), kind=kind)
    sound = decode(content)
    assert sound.container == tell_container(content[:16]) == kind.lower()
    assert (sound.channels, sound.rate_hz) == (2, RATE_HZ)
    assert sound.duration_s == pytest.approx(5, abs=0.1)
    assert len(sound.samples) == pytest.approx(5 * 22_050, abs=2_300)
    # 997 Hz of both channels at full scale is 0 LUFS, by the standard; mp3 encoders take off 0.4 dB.
    assert sound.loudness_db == pytest.approx(-20, abs=0.5)


def test_one_channel_sounds_as_two_do():
    assert decode(write_file(sine())).loudness_db == pytest.approx(-20, abs=0.05)


def test_the_rate_may_be_that_of_a_studio():
    sound = decode(write_file(sine(rate_hz=192_000), 192_000, "FLAC"))
    spectrum = np.abs(np.fft.rfft(sound.samples))
    assert np.argmax(spectrum) / len(sound.samples) * 22_050 == pytest.approx(997, abs=0.5)
    assert sound.loudness_db == pytest.approx(-20, abs=0.05)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_loudness_is_the_standards(rate_hz):
    """EBU Tech 3341, case 3: quieter parts fall to the gate."""
    meter = LoudnessMeter(rate_hz, 2)
    for seconds, level_db in ((10, -36), (60, -23), (10, -36)):
        part = sine(seconds, rate_hz, 10 ** (level_db / 20))
        meter.feed(np.stack([part, part], axis=1))
    assert meter.loudness_db() == pytest.approx(-23, abs=0.1)


def with_nan() -> bytes:
    samples = sine()
    samples[RATE_HZ] = np.nan
    return write_file(samples, subtype="FLOAT")


REFUSED = {
    "text named mp3": (
        lambda: b"this is a text that someone named song.mp3\n" * 9,
        NotSound,
        "none of the kinds",
    ),
    "zip": (lambda: b"PK\x03\x04" + bytes(5_000), NotSound, "none of the kinds"),
    "empty": (lambda: b"", NotSound, "is empty"),
    "15 MB and one": (
        lambda: b"RIFF" + bytes(MOST_BYTES - 3),
        SoundTooLarge,
        "too large: at most 15728640 bytes",
    ),
    "one sample": (lambda: write_file(sine()[:1]), SoundRefused, "too short"),
    "silence": (lambda: write_file(np.zeros(5 * RATE_HZ, np.float32)), SoundRefused, "nothing to hear"),
    "NaN": (with_nan, SoundRefused, "no numbers"),
    "32 channels": (lambda: write_file(np.tile(sine()[:, None], (1, 32))), SoundRefused, "32 channels"),
    "rate of bats": (lambda: write_file(sine(), 384_000), SoundRefused, "384000 samples a second"),
    "three hours claimed": (lambda: patched_wav(3 * 3600 * RATE_HZ * 2), SoundRefused, "180 minutes long"),
    "4 GB claimed": (lambda: patched_wav(0xFFFFFFFE), SoundRefused, "minutes long"),
    "a minute claimed": (lambda: patched_wav(60 * RATE_HZ * 2), SoundRefused, "cut short"),
    "11 real minutes": (
        lambda: write_file(np.zeros(11 * 60 * 8_000, np.float32), 8_000, "FLAC"),
        SoundRefused,
        "11 minutes long",
    ),
    "a flac without frames": (
        lambda: write_file(sine(), kind="FLAC")[:60],
        SoundRefused,
        "damaged|short|nothing",
    ),
    "header alone": (lambda: b"RIFF\x24\x00\x00\x00WAVE", SoundRefused, "no sound"),
    "mp3 head, then nothing": (lambda: b"ID3\x04" + bytes(4_000), SoundRefused, "damaged|short"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_heard_is_refused_with_a_reason(case):
    make, kind, reason = REFUSED[case]
    with pytest.raises(kind, match=reason):
        decode(make())


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.8])
def test_a_truncated_mp3_is_refused(mp3, kept):
    with pytest.raises(SoundRefused, match=r"cut short|damaged|too short"):
        decode(mp3[: int(len(mp3) * kept)])


def test_bytes_turned_over_give_an_answer_or_a_refusal(mp3):
    """Never another exception, whatever libsndfile meets."""
    random = np.random.default_rng(1)
    for kind in ("MP3", "OGG", "FLAC", "WAV"):
        content = mp3[:40_000] if kind == "MP3" else write_file(sine(4), kind=kind)
        refused = 0
        for _ in range(10):
            damaged = bytearray(content)
            for place in random.integers(0, len(damaged), 20):
                damaged[place] = int(random.integers(256))
            try:
                assert decode(bytes(damaged)).samples.dtype == np.float32
            except SoundRefused as error:
                assert str(error)
                refused += 1
        assert refused <= 10


def test_libsndfile_reads_mp3_here():
    assert "MP3" in soundfile.available_formats()
