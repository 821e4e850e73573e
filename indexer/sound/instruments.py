"""The instruments of made clips: notes, drums, voices and a room; all one channel, float32, 44,100 Hz."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

RATE_HZ: Final = 44_100
#: About how much of a drum loop's power is noise rather than the tone of a drum's skin; measured over loops.
DRUM_NOISE_SHARE: Final = 0.3

_OVERTONES: Final = 10
_CYCLE: Final = 8_192


@lru_cache(maxsize=64)
def _one_cycle(overtones: int, brightness: float) -> Floats:
    """One cycle of a tone with overtones, (8192,) of power 0.5; the brighter, the slower they fall off."""
    turns = np.arange(_CYCLE) / _CYCLE
    strengths = np.arange(1, overtones + 1) ** -(3.2 - 2.4 * brightness)
    cycle = sum(
        strength * np.sin(2 * np.pi * number * turns) for number, strength in enumerate(strengths, start=1)
    )
    scaled: Floats = (cycle / np.sqrt(np.sum(strengths**2))).astype(np.float32)
    return scaled


@lru_cache(maxsize=512)
def note(frequency_hz: float, length: int, sustain: float, brightness: float) -> Floats:
    """Play a note with overtones; plucked at ``sustain`` 0, with a soft onset and no decay at 1. Power about 0.5."""
    length = max(64, length)
    times = np.arange(length, dtype=np.float32) / np.float32(RATE_HZ)
    overtones = int(max(1, min(_OVERTONES, 0.45 * RATE_HZ // frequency_hz)))
    places_in_cycle = (np.arange(length) * (frequency_hz * _CYCLE / RATE_HZ)).astype(np.int64) % _CYCLE
    out = _one_cycle(overtones, brightness)[places_in_cycle]
    # A soft onset takes up to 60 ms; a plucked note falls to a tenth in 0.25 s.
    rise = max(32, round((0.002 + 0.058 * sustain**2) * RATE_HZ))
    if sustain < 0.6:
        out *= np.exp(times * np.float32(-9 * (1 - sustain)))
    rise, fall = min(rise, length // 2), min(1500, length // 2)
    out[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    out[-fall:] *= np.linspace(1, 0, fall, dtype=np.float32)
    return out


def sing(frequency_hz: float, length: int, random: np.random.Generator) -> Floats:
    """Sing a vowel with vibrato: a buzz of overtones under two formants."""
    times = np.arange(length, dtype=np.float32) / np.float32(RATE_HZ)
    vibrato = np.float32(0.05) * np.sin(np.float32(2 * np.pi * 5.5) * times) * np.float32(frequency_hz / 30)
    phase = np.exp(1j * (np.float32(2 * np.pi * frequency_hz) * times + vibrato)).astype(np.complex64)
    formants = _VOWELS_HZ[random.integers(len(_VOWELS_HZ))]
    out = np.zeros(length, np.float32)
    turning = phase.copy()
    for overtone in range(1, 13):
        at_hz = overtone * frequency_hz
        strength = sum(np.exp(-(((at_hz - formant) / 180) ** 2)) for formant in formants) + 0.3 / overtone
        out += np.float32(strength) * turning.imag
        turning *= phase
    edge = min(2600, length // 2)
    out[:edge] *= np.linspace(0, 1, edge, dtype=np.float32)
    out[-edge:] *= np.linspace(1, 0, edge, dtype=np.float32)
    return out * np.float32(0.7)


_VOWELS_HZ: Final = ((730, 1090), (270, 2290), (530, 1840), (570, 840))


@lru_cache(maxsize=4)
def _syllables(kind: int) -> Floats:
    """Eight spoken syllables, each a hiss or a buzz under formants that glide; 1.9 s."""
    random = np.random.default_rng((kind, 4))
    out = np.zeros(round(1.9 * RATE_HZ), np.float32)
    at = 0
    for _ in range(8):
        length = round(random.uniform(0.1, 0.24) * RATE_HZ)
        times = np.arange(length) / RATE_HZ
        pitch_hz = random.uniform(95, 210) * (1 - 0.25 * times / times[-1])
        buzz = 2 * np.mod(np.cumsum(pitch_hz) / RATE_HZ, 1) - 1
        hiss = random.standard_normal(length)
        voiced = random.random() < 0.65
        spectrum = np.fft.rfft(buzz + 0.1 * hiss if voiced else 0.6 * hiss)
        at_hz = np.fft.rfftfreq(length, 1 / RATE_HZ)
        formants = _VOWELS_HZ[random.integers(len(_VOWELS_HZ))] if voiced else (2_500, 5_000)
        width = 220 if voiced else 1_500
        spectrum *= sum(np.exp(-(((at_hz - formant) / width) ** 2)) for formant in formants) + 0.02
        sound = np.fft.irfft(spectrum, length) * np.abs(np.sin(np.pi * times / times[-1])) ** 0.7
        add(out, (sound / (np.sqrt(np.mean(sound**2)) + 1e-9)).astype(np.float32), at)
        at += length + round(random.uniform(0.0, 0.09) * RATE_HZ)
    return out


def speak(n: int, random: np.random.Generator) -> Floats:
    """Speak for ``n`` samples: syllables at uneven intervals, about five a second, in phrases with pauses."""
    out = np.zeros(n, np.float32)
    at = 0
    while at < n:
        add(out, _syllables(int(random.integers(4))) * np.float32(random.uniform(0.6, 1)), at)
        at += round(random.uniform(1.6, 2.4) * RATE_HZ)
    return out


def places(facts: Any, random: np.random.Generator) -> list[float]:
    """Choose where in a bar notes begin, in beats: some on the beat, some off it, the eighths late with a swing."""
    late = 0.5 + facts.swing / 6  # of a beat: 1/2 when even, 2/3 as triplets
    found = [float(beat) for beat in range(facts.beats_a_bar) if random.random() < 0.35 + 0.6 * facts.density]
    found += [beat + late for beat in range(facts.beats_a_bar) if random.random() < 0.8 * facts.syncopation]
    if facts.density > 0.6 and facts.swing == 0:
        found += [beat + 0.5 for beat in range(facts.beats_a_bar) if random.random() < facts.density - 0.4]
    return found or [0.0]


@lru_cache(maxsize=64)
def _drum(name: str, brightness: float) -> Floats:
    random = np.random.default_rng(5)
    length = round({"kick": 0.22, "snare": 0.18, "hat": 0.06}[name] * RATE_HZ)
    times = np.arange(length) / RATE_HZ
    noise = random.standard_normal(length)
    if name == "kick":
        # The pitch drops from 150 to 50 Hz; the phase is its integral.
        phase = 2 * np.pi * (50 * times + 100 * 0.03 * (1 - np.exp(-times / 0.03)))
        sound = np.sin(phase) * np.exp(-times * 16) + 0.25 * noise * np.exp(-times * 300)
    elif name == "snare":
        sound = 0.5 * np.sin(2 * np.pi * 190 * times) * np.exp(-times * 22) + 0.5 * noise * np.exp(
            -times * 25
        )
    else:
        sharp = np.diff(noise, prepend=0.0)
        sound = (0.15 + 0.35 * brightness) * sharp * np.exp(-times * 70)
    return sound.astype(np.float32)


def drum_loop(facts: Any, bars: int, random: np.random.Generator) -> Floats:
    """Play one of several patterns over some bars: a plain beat, four to the floor, one sparse, one broken."""
    beat = 60 / facts.tempo_bpm * RATE_HZ
    beats = facts.beats_a_bar
    out = np.zeros(round(bars * beats * beat), np.float32)
    late = 0.5 + facts.swing / 6
    pattern = random.choice(["plain", "floor", "sparse", "broken"])
    kicks = {"plain": [0, 2], "floor": list(range(beats)), "sparse": [0], "broken": [0, 1 + late, 2 + late]}[
        pattern
    ]
    snares = {"plain": [1, 3], "floor": [1, 3], "sparse": [beats - 1], "broken": [1, 3]}[pattern]
    hats = [float(at) for at in range(beats)]
    if facts.density > 0.4:
        hats += [at + late for at in range(beats)]
    if facts.density > 0.8 and facts.swing == 0:
        hats += [at + part for at in range(beats) for part in (0.25, 0.75)]
    if facts.syncopation > 0.4:
        snares = [*snares, beats - 1 + late]
    for bar in range(bars):
        for name, struck in (("kick", kicks), ("snare", snares), ("hat", hats)):
            sound = _drum(name, round(facts.brightness, 1))
            for at in struck:
                if at < beats:
                    strength = np.float32(random.uniform(0.8, 1.0))
                    add(out, sound * strength, round((bar * beats + at) * beat))
    return out


def reverberate(samples: Floats, strength: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Put one channel into a room: (2, n), each side with its own decaying echoes; wraps round, as the loop does."""
    n = len(samples)
    length = min(n, round((0.3 + 1.5 * strength) * RATE_HZ))
    times = np.arange(length, dtype=np.float32) / np.float32(RATE_HZ)
    decay = np.exp(times * np.float32(-6.9 * RATE_HZ / length))
    size = _fast_size(n)
    spectrum = np.fft.rfft(samples, size)
    sides = []
    for _ in range(2):
        tail = random.standard_normal(length, dtype=np.float32) * decay
        tail *= np.float32(0.9 * strength / np.sqrt(np.sum(tail**2)))
        wet = np.fft.irfft(spectrum * np.fft.rfft(tail, size), size)[:n].astype(np.float32)
        sides.append(samples + wet)
    return np.stack(sides)


def _fast_size(n: int) -> int:
    """The next size whose transform is fast: a power of two times 1, 3 or 5."""
    return min(part << max(0, -(-n // part) - 1).bit_length() for part in (1, 3, 5))


def add(out: Floats, sound: Floats, at: int) -> None:
    """Mix a sound in at a sample; what hangs over the end is cut off."""
    end = min(len(out), at + len(sound))
    if at < end:
        out[at:end] += sound[: end - at]
