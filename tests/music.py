"""Real music for tests and benchmarks: small scores, written here, played by FluidSynth.

Three pieces of a few seconds, chosen to be unlike each other: solo piano (struck, decaying, dense chords), a
string ensemble with a flute above it (bowed, with vibrato) and a jazz trio (walking bass, comping, brushed and ridden
drums). All are rendered at 48 kHz with FluidSynth's own reverb and chorus, and mixed to mono.

Examples
--------
>>> audio, sample_rate = render("jazz")
"""

import functools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 48000
TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9
SOUNDFONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),
    Path("/usr/local/share/sounds/sf2/FluidR3_GM.sf2"),
)


class MusicUnavailableError(RuntimeError):
    """FluidSynth or its soundfont is missing; the message says what to install."""


@dataclass(frozen=True)
class Note:
    """One note of a part: when it starts and how long it lasts (beats), MIDI pitch, velocity 1-127."""

    start: float
    length: float
    pitch: int
    velocity: int = 80


@dataclass(frozen=True)
class Part:
    """One player: General MIDI program (ignored on the drum channel), channel and what it plays."""

    program: int
    channel: int
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Piece:
    """Parts played together at one tempo, cut after ``beats``."""

    beats_per_minute: int
    beats: float
    parts: tuple[Part, ...]


def _chord(start: float, length: float, pitches: Sequence[int], velocity: int) -> list[Note]:
    return [Note(start, length, pitch, velocity) for pitch in pitches]


def _line(start: float, steps: Sequence[tuple[float, int]], velocity: int) -> list[Note]:
    """Notes one after another; pitch 0 rests."""
    notes = []
    for length, pitch in steps:
        if pitch:
            notes.append(Note(start, length * 0.95, pitch, velocity))
        start += length
    return notes


def _piano() -> Piece:
    chords = [(57, 60, 64, 67), (53, 57, 60, 64), (55, 60, 64, 67), (55, 59, 62, 65)]  # Am7, Fmaj7, C, G7
    roots = (45, 41, 36, 43)
    hands: list[Note] = []
    for bar, (chord, root) in enumerate(zip(chords, roots, strict=True)):
        hands += _chord(3 * bar, 1.4, chord, 72) + _chord(3 * bar + 1.5, 1.4, chord, 58)
        hands += _line(3 * bar, [(1, root), (1, root + 7), (1, root + 12)], 66)
    hands += _line(0, [(1, 76), (0.5, 74), (0.5, 72), (1, 71), (2, 72), (1, 69)], 84)
    hands += _line(6, [(0.5, 67), (0.5, 72), (0.5, 76), (1, 79), (0.5, 77), (1.5, 74), (1.5, 71)], 88)
    return Piece(100, 13, (Part(0, 0, tuple(hands)),))


def _strings() -> Piece:
    chords = [(50, 57, 62, 66), (47, 54, 62, 66), (43, 55, 59, 62), (45, 52, 61, 64)]  # D, Bm, G, A
    ensemble = [note for bar, chord in enumerate(chords) for note in _chord(3 * bar, 2.95, chord, 70)]
    flute = _line(0, [(1.5, 78), (0.5, 76), (1, 74), (1, 73), (1, 74), (1, 78)], 84)
    flute += _line(6, [(0.75, 79), (0.25, 78), (1, 76), (1, 74), (2, 76), (1, 73)], 90)
    return Piece(100, 13, (Part(48, 0, tuple(ensemble)), Part(73, 1, tuple(flute))))


def _jazz() -> Piece:
    ride, hat, snare, kick = 51, 44, 38, 36
    comping = [(0, (53, 57, 60, 64)), (1.67, (53, 57, 60, 64)), (4, (53, 57, 59, 64)), (6.67, (53, 57, 59, 64))]
    comping += [(8.67, (52, 55, 59, 62)), (10, (52, 55, 59, 62)), (12, (49, 55, 58, 64)), (14.67, (49, 55, 58, 64))]
    piano = [note for start, chord in comping for note in _chord(start, 0.6, chord, 70)]
    piano += _line(8, [(0.67, 74), (0.33, 76), (0.67, 79), (0.33, 76), (1, 71), (0.67, 72), (0.33, 69), (2, 70)], 86)
    walk = (38, 41, 45, 42, 43, 47, 50, 47, 48, 52, 43, 47, 45, 49, 52, 40)
    bass = _line(0, [(1, pitch) for pitch in walk], 88)
    drums: list[Note] = []
    for beat in range(0, 16, 2):
        drums += [Note(beat, 0.3, ride, 78), Note(beat + 1, 0.3, ride, 92), Note(beat + 1.67, 0.3, ride, 66)]
        drums += [Note(beat + 1, 0.2, hat, 74)]
    drums += [Note(beat, 0.3, kick, 74) for beat in (0, 3.67, 8, 11.67, 14)]
    drums += [Note(beat, 0.3, snare, 66) for beat in (2.67, 5, 9.67, 13, 15.33, 15.67)]
    parts = (Part(0, 0, tuple(piano)), Part(32, 1, tuple(bass)), Part(0, DRUM_CHANNEL, tuple(drums)))
    return Piece(150, 17, parts)


PIECES = {"piano": _piano(), "strings": _strings(), "jazz": _jazz()}


def midi_bytes(piece: Piece) -> bytes:
    """The piece as a standard MIDI file, format 0 (one track)."""
    events: list[tuple[int, int, bytes]] = []  # tick, order within a tick (ends before starts), message
    for part in piece.parts:
        events.append((0, 0, bytes([0xC0 | part.channel, part.program])))
        for note in part.notes:
            on, off = (round(beat * TICKS_PER_BEAT) for beat in (note.start, note.start + note.length))
            events.append((on, 2, bytes([0x90 | part.channel, note.pitch, note.velocity])))
            events.append((off, 1, bytes([0x80 | part.channel, note.pitch, 64])))
    tempo = round(60e6 / piece.beats_per_minute).to_bytes(3, "big")
    track, now = b"\x00\xff\x51\x03" + tempo, 0
    for tick, _, message in sorted(events):
        track += _variable_length(tick - now) + message
        now = tick
    track += _variable_length(round(piece.beats * TICKS_PER_BEAT) - now) + b"\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + b"".join(n.to_bytes(2, "big") for n in (0, 1, TICKS_PER_BEAT))
    return header + b"MTrk" + len(track).to_bytes(4, "big") + track


@functools.cache
def render(piece_name: str) -> tuple[np.ndarray, int]:
    """Play a piece.

    Parameters
    ----------
    piece_name
        One of `PIECES`.

    Returns
    -------
    audio : np.ndarray [shape=(samples,)]
        Mono float32, read-only (every caller gets the same array).
    sample_rate : int
        48000.

    Raises
    ------
    KeyError
        No such piece.
    MusicUnavailableError
        FluidSynth or the soundfont is not installed.
    """
    piece = PIECES[piece_name]
    player = shutil.which("fluidsynth")
    if player is None:
        raise MusicUnavailableError("fluidsynth is not installed; on Debian and Ubuntu: apt-get install fluidsynth")
    soundfont = next((path for path in SOUNDFONTS if path.exists()), None)
    if soundfont is None:
        raise MusicUnavailableError(
            f"no FluidR3_GM.sf2 in {', '.join(str(path.parent) for path in SOUNDFONTS)}; "
            "on Debian and Ubuntu: apt-get install fluid-soundfont-gm"
        )
    with tempfile.TemporaryDirectory() as folder:
        score, wave = Path(folder, "score.mid"), Path(folder, "music.wav")
        score.write_bytes(midi_bytes(piece))
        command = [
            player,
            "-n",
            "-i",
            "-q",
            "-g",
            "0.8",
            "-r",
            str(SAMPLE_RATE),
            "-O",
            "float",
            "-T",
            "wav",
            "-F",
            str(wave),
        ]
        run = subprocess.run([*command, str(soundfont), str(score)], capture_output=True, text=True, check=False)
        if run.returncode or not wave.exists():
            raise MusicUnavailableError(f"fluidsynth could not play {piece_name}: {run.stderr.strip()[-300:]}")
        stereo, sample_rate = soundfile.read(wave, dtype="float32", always_2d=True)
    samples = round(piece.beats * 60 / piece.beats_per_minute * SAMPLE_RATE)  # without the player's long tail
    audio = stereo[:samples].mean(axis=1, dtype=np.float32)
    audio.setflags(write=False)
    return audio, sample_rate


def _variable_length(number: int) -> bytes:
    """A MIDI variable-length quantity: seven bits a byte, the high bit set on all but the last."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))
