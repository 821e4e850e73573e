"""Short pieces of music made by code, of which everything worth estimating is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indexer.sound import instruments
from indexer.sound.instruments import RATE_HZ, Floats
from indexer.sound.listening import FEATURES

_BARS: Final = 4
#: Degrees of the scale that four bars of chords stand on, and the thirds and sixths of both modes in semitones.
_PROGRESSIONS: Final = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 0, 3, 4), (0, 4, 5, 3), (0, 3, 0, 4))
_SCALES: Final = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a clip is made from; shares and strengths lie in [0, 1]."""

    tempo_bpm: float  # quarter notes a minute
    beats_a_bar: int  # 3 or 4
    loudness_db: float  # root mean square of all samples, relative to full scale
    mode: str  # "major" or "minor"
    key: int  # semitones above C
    noise: float  # share of the power that is noise: a bed of noise, and drums as far as they are noise
    percussion: float  # share of the power that is struck: drums
    sustain: float  # how long notes sound: 0 plucked, 1 until the next one
    brightness: float  # how slowly the overtones fall off, and how high the noise lies
    density: float  # how many of the places in a bar have a note or a drum
    syncopation: float  # how many of them lie off the beat
    swing: float  # how late the second of two eighths comes: 0 even, 1 as triplets have it
    distortion: float  # how hard the notes are driven into saturation
    singing: float  # level of a voice that sings, relative to the notes
    speech: float  # share of a voice that speaks: noise and buzz in syllables
    room: float  # strength of reverberation and of a crowd


@dataclass(frozen=True, slots=True)
class Clip:
    """Samples (2, n) float32 in [-1, 1] at 44,100 Hz, and what they are; ``targets`` are the seven features."""

    seed: int
    samples: NDArray[np.float32]
    facts: Facts
    targets: dict[str, float]


def make_clip(seed: int, seconds: float = 20.0) -> Clip:
    """Make the clip of a seed: the same samples and facts each time; ``seconds`` is its length."""
    facts = draw_facts(seed)
    return Clip(seed, render(facts, seed, seconds), facts, make_targets(facts))


def draw_facts(seed: int) -> Facts:
    """Draw what a clip is made from, every kind of rhythm, timbre and place among them."""
    random = np.random.default_rng((seed, 1))
    kind = random.choice(["song", "song", "song", "drums", "sustained", "noise", "speech"])
    drums = {"song": random.uniform(0, 0.6), "drums": random.uniform(0.75, 0.95)}.get(kind, 0.0)
    if kind == "noise":
        drums = random.uniform(0, 0.3)
    noise = random.uniform(0.6, 0.9) if kind == "noise" else random.choice([0.0, random.uniform(0, 0.12)])
    percussion = float(drums * (1 - noise))
    return Facts(
        tempo_bpm=float(np.round(np.exp(random.uniform(np.log(62), np.log(178))), 2)),
        beats_a_bar=int(random.choice([4, 4, 4, 3])),
        loudness_db=float(np.round(random.uniform(-32, -9), 2)),
        mode=str(random.choice(["major", "minor"])),
        key=int(random.integers(12)),
        noise=float(noise + percussion * instruments.DRUM_NOISE_SHARE),
        percussion=percussion,
        sustain=float(random.uniform(0.7, 1.0) if kind == "sustained" else random.uniform(0, 0.8)),
        brightness=float(random.uniform(0, 1)),
        density=float(random.uniform(0.15, 1)),
        syncopation=float(random.choice([0.0, random.uniform(0, 0.8)])),
        swing=float(random.choice([0.0, 0.0, random.uniform(0.3, 1)])),
        distortion=float(random.choice([0.0, random.uniform(0, 1), random.uniform(0.5, 1)])),
        singing=float(random.choice([0.0, random.uniform(0.3, 1)])),
        speech=float(random.uniform(0.5, 0.95) if kind == "speech" else 0.0),
        room=float(random.choice([0.0, random.uniform(0, 1)])),
    )


def make_targets(facts: Facts) -> dict[str, float]:
    """Derive the seven features, each in [0, 1], from what a clip is made from.

    The rules say in numbers what listeners mean by these words and what can be heard in the samples: loud, dense,
    bright and driven is energetic; major, fast and bright is happy; plain, undriven notes are acoustic; and so on.
    """
    loud = (facts.loudness_db + 32) / 23
    fast = (facts.tempo_bpm - 62) / 116
    struck = np.sqrt(facts.percussion)
    steady = (1 - facts.syncopation) * (1 - 0.3 * facts.swing)
    danceable_tempo = np.exp(-(np.log2(facts.tempo_bpm / 118) ** 2) / (2 * 0.4**2))
    tone = 1 - facts.percussion - bed_share(facts)
    # Distortion is heard as far as the notes are.
    driven = facts.distortion * float(np.sqrt(max(0.0, tone * (1 - facts.speech))))
    made = 0.6 * driven + 0.25 * struck + 0.15 * facts.brightness
    values = {
        "danceability": 0.4 * struck + 0.3 * danceable_tempo + 0.3 * steady * (0.3 + 0.7 * struck),
        "energy": 0.4 * loud + 0.2 * facts.density + 0.2 * facts.brightness + 0.2 * max(struck, driven),
        "speechiness": facts.speech,
        "acousticness": (1 - made) * (1 - 0.7 * facts.noise),
        "instrumentalness": 1 - max(facts.singing * tone, facts.speech),
        "liveness": facts.room,
        "valence": 0.5 * (facts.mode == "major") + 0.3 * fast + 0.2 * facts.brightness,
    }
    return {name: float(np.clip(values[name], 0, 1)) for name in FEATURES}


def bed_share(facts: Facts) -> float:
    """Tell the share of the power that is a bed of noise, drums apart."""
    return facts.noise - facts.percussion * instruments.DRUM_NOISE_SHARE


def render(facts: Facts, seed: int, seconds: float = 20.0) -> NDArray[np.float32]:
    """Make the samples (2, n) of given facts; the seed draws the melody, the pattern and the noise."""
    random = np.random.default_rng((seed, 2))
    n = round(seconds * RATE_HZ)
    notes = _phrase(facts, random)
    if facts.distortion > 0:
        drive = 1 + 15 * facts.distortion**2
        notes = np.tanh(notes * np.float32(drive / (np.sqrt(np.mean(notes**2)) + 1e-9) * 0.4))
    melody = _level(notes)
    drums = _level(instruments.drum_loop(facts, _BARS, random))
    bed = bed_share(facts)
    tone = max(0.0, 1 - bed - facts.percussion)
    hiss = _noise_bed(facts.brightness, seed) if bed > 0.001 or facts.room > 0 else melody
    loop = (
        np.float32(np.sqrt(tone * (1 - facts.speech))) * melody
        + np.float32(np.sqrt(facts.percussion)) * drums
    )
    if facts.room > 0:
        loop = instruments.reverberate(loop, facts.room, random)
    else:
        loop = np.stack([loop, loop])
    samples = _repeat(loop, n)
    if bed > 0.001:
        samples += np.float32(np.sqrt(bed)) * _repeat(np.stack([hiss, np.roll(hiss, 7919)]), n)
    if facts.speech > 0:
        spoken = _level(instruments.speak(n, random))
        samples += np.float32(np.sqrt(tone * facts.speech)) * spoken
    if facts.room > 0:
        samples += np.float32(0.15 * facts.room) * _repeat(np.stack([hiss, np.roll(hiss, 4001)]), n)
    return _set_loudness(samples, facts.loudness_db)


def _phrase(facts: Facts, random: np.random.Generator) -> Floats:
    """Play chords, a bass and a melody over four bars; one channel."""
    beat = 60 / facts.tempo_bpm * RATE_HZ
    out = np.zeros(round(_BARS * facts.beats_a_bar * beat), np.float32)
    scale = _SCALES[facts.mode]
    degrees = _PROGRESSIONS[random.integers(len(_PROGRESSIONS))]
    for bar, degree in enumerate(degrees):
        chord = [_pitch(facts.key, scale, degree + step) for step in (0, 2, 4)]
        begin = bar * facts.beats_a_bar
        # Chords return within the bar as densely as the piece is; each begins on a beat.
        every = max(1, round(facts.beats_a_bar * (1 - facts.density)))
        for at_beat in range(0, facts.beats_a_bar, every):
            length = round(beat * every * (0.25 + 0.75 * facts.sustain))
            for pitch in (chord[0] - 12, *chord):
                tone = instruments.note(_frequency_hz(pitch), length, facts.sustain, facts.brightness)
                instruments.add(out, tone * np.float32(0.5), round((begin + at_beat) * beat))
        for at in instruments.places(facts, random):
            pitch = int(random.choice([*chord, *chord, _pitch(facts.key, scale, degree + 5)])) + 12
            length = round(beat * (0.3 + 0.7 * facts.sustain))
            tone = instruments.note(_frequency_hz(pitch), length, facts.sustain, facts.brightness)
            instruments.add(out, tone * np.float32(0.6), round((begin + at) * beat))
        if facts.singing > 0:
            sung = instruments.sing(
                _frequency_hz(chord[int(random.integers(3))] + 12), round(beat * 1.8), random
            )
            instruments.add(
                out, sung * np.float32(1.5 * facts.singing), round((begin + random.integers(2)) * beat)
            )
    return out


def _pitch(key: int, scale: tuple[int, ...], degree: int) -> int:
    """The MIDI pitch of a degree of a scale, from about C3 upwards."""
    return 48 + key + scale[degree % 7] + 12 * (degree // 7)


def _frequency_hz(pitch: int) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


@lru_cache(maxsize=4)
def _white(seed: int) -> Floats:
    return np.random.default_rng((seed, 3)).standard_normal(RATE_HZ * 3, dtype=np.float32)


def _noise_bed(brightness: float, seed: int) -> Floats:
    """Make three seconds of noise, from a rumble to a hiss as ``brightness`` goes."""
    spectrum = np.fft.rfft(_white(seed))
    frequencies = np.fft.rfftfreq(RATE_HZ * 3, 1 / RATE_HZ)
    corner_hz = 400 * 25**brightness
    spectrum *= 1 / (1 + (frequencies / corner_hz) ** 2)
    return _level(np.fft.irfft(spectrum).astype(np.float32))


def _level(samples: Floats) -> Floats:
    """Scale to a mean power of one; silence stays silence."""
    power = float(np.mean(np.square(samples)))
    return samples if power < 1e-12 else samples * np.float32(1 / np.sqrt(power))


def _repeat(loop: Floats, n: int) -> Floats:
    """Repeat channels (2, m) until they are (2, n)."""
    return np.tile(loop, (1, -(-n // loop.shape[1])))[:, :n]


def _set_loudness(samples: Floats, loudness_db: float) -> NDArray[np.float32]:
    """Scale to a root mean square, and round off peaks beyond full scale without changing it by more than 0.05 dB."""
    wanted = 10 ** (loudness_db / 20)
    scaled = samples
    for _ in range(8):
        level = float(np.sqrt(np.mean(np.square(scaled))))
        scaled = scaled * np.float32(wanted / level)
        if float(np.max(np.abs(scaled))) <= 1:
            break
        scaled = np.clip(scaled, -0.98, 0.98)
    return np.clip(scaled, -1, 1).astype(np.float32)


__all__ = ["FEATURES", "Clip", "Facts", "bed_share", "draw_facts", "make_clip", "make_targets", "render"]
