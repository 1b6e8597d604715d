"""Starting a session: the first deck, the first sound, then the session file, control surfaces and the window."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from realtime.decks.deck_client import wait_for
from realtime.ipc.child_process import ChildError
from realtime.ipc.memory_layout import LETTERS, MUTE_MS, READ
from realtime.ipc.priority import reduce_pauses
from realtime.session.composition import Parts
from realtime.session.config import SessionConfig
from realtime.session.session_file.autosave import Autosave
from realtime.session.session_file.stored_session import StoredSession, collect
from realtime.session.session_phase import SessionPhase
from realtime.session.startup_files import StartupFiles
from realtime.session.supervision.task_thread import INTERVAL_S
from realtime.session.surfaces.window import open_window
from realtime.takes import leftover_journals
from realtime.takes.recorder import Recorder

FIRST_BLOCK_S = 2.0

Notify = Callable[[str], None]


def start(
    config: SessionConfig,
    files: StartupFiles,
    parts: Parts,
    phase: SessionPhase,
    notify: Notify,
    stack: contextlib.ExitStack,
) -> Recorder | None:
    """Start the parts of a session, and return once it plays.

    Returns
    -------
    Recorder or None
        The recording of `config.record`.

    Raises
    ------
    GlitchError
        The device cannot be opened or takes no sound, or the model cannot be played.
    """
    if files.stored is not None:
        parts.states.find_files(parts.rack.state_numbers)
        files.stored.restore_host(parts.parameters, parts.rack.players[LETTERS[0]])
    phase.began = _first_sound(config, files, parts)
    _start_journal_input(parts, phase.began, stack)
    parts.info.write()
    parts.signals.loaded.connect(parts.info.write)
    parts.signals.loaded.connect(parts.signals.touched.emit)
    recorder = _start_timed(config, parts, phase.began)
    reduce_pauses()
    if files.stored is not None:
        _restore(files.stored, parts, notify, stack)
    _open_surfaces(config, parts, stack)
    parts.supervisor.start()
    stack.callback(parts.supervisor.join)
    if report := leftover_journals.sweep(parts.journal.folder.parent):
        notify(report)
    return recorder


def fade_out(parts: Parts) -> None:
    """Fade out, and let the callback stop."""
    stream = parts.segment["stream"][0]
    parts.output.mute(True)
    end = parts.clock.now + 2 * MUTE_MS / 1000.0 * parts.clock.sample_rate
    wait_for(lambda: stream["clock"] >= end, 4 * MUTE_MS / 1000.0)
    stream["stopping"] = 1


def _first_sound(config: SessionConfig, files: StartupFiles, parts: Parts) -> int:
    """Load the first deck, open the device, and return the sample position of the first sound."""
    device, stream, letter = parts.output.device, parts.segment["stream"][0], LETTERS[0]
    parts.journal.start(parts.segment, sample_rate=device.sample_rate, channels=device.channels, inputs=device.inputs)
    values = {} if files.stored is None else files.stored.values(letter)
    loading = parts.rack.load(letter, files.model, effects=files.effects, values=values)
    parts.output.open(parts.segment, block=config.blocksize, latency=config.latency)
    if not wait_for(lambda: stream["callbacks"] > 1, FIRST_BLOCK_S):
        raise ChildError(f"{device} was opened but asks for no sound; is its server running?")
    loading.result()
    parts.rack.lookahead.set_all()  # the deck may have been ready before the size of the block was known
    process = parts.rack.players[letter].process
    assert process is not None
    if not wait_for(lambda: process.segment["ring_index"][READ] > 0, FIRST_BLOCK_S):
        raise ChildError(f"{device} was opened but takes no sound; is its server running?")
    return max(int(process.state["play_offset"]), 1)


def _start_journal_input(parts: Parts, began: int, stack: contextlib.ExitStack) -> None:
    """Note in the journal when the first sound was, and keep the live input from then on."""
    parts.journal.add_to_head(began=began)
    if parts.output.device.inputs:
        parts.journal.start_input()
        stack.callback(parts.journal.stop_input)


def _start_timed(config: SessionConfig, parts: Parts, began: int) -> Recorder | None:
    """Start recording and take with the first sound, and mute in time for the end, so that it doesn't click."""
    frames, recorder = None, None
    if config.seconds is not None:
        frames = round(config.seconds * parts.clock.sample_rate)
        fade = round((INTERVAL_S + MUTE_MS / 1000.0) * parts.clock.sample_rate)
        parts.output.mute(True, max(began + frames - fade, 1))
    if config.record is not None:
        recorder = parts.recordings.start(Path(config.record), began, frames)
        parts.parameters.show("/record", 1.0)
    if config.take is not None:
        parts.recordings.take_to(Path(config.take), began)
        parts.parameters.show("/take", 1.0)
    return recorder


def _restore(stored: StoredSession, parts: Parts, notify: Notify, stack: contextlib.ExitStack) -> None:
    """Restore the rest of the session file, and keep it up to date from now on."""
    players = parts.rack.players
    stored.restore_rest(parts.parameters, parts.rack, notify)
    substitute = stored.substitute(players[LETTERS[0]], notify)
    autosave = Autosave(
        stored.path,
        lambda: collect(players, parts.parameters, parts.recall.snapshots, stored.file.decks, substitute),
        notify,
    )
    parts.states.sweep()
    parts.signals.touched.connect(autosave.touch)
    autosave.touch()  # a session is worth keeping even if nothing is moved
    stack.callback(autosave.close)
    stack.callback(parts.states.settle)


def _open_surfaces(config: SessionConfig, parts: Parts, stack: contextlib.ExitStack) -> None:
    if parts.osc is not None:
        parts.osc.start()
    if parts.midi is not None:
        stack.callback(parts.midi.close)
        parts.midi.start()
    if config.window:
        stack.enter_context(open_window(parts.segment.name))
