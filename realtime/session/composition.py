"""The composition root: builds the parts of a session in stages, each part from those before it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.audio.device_client import DeviceClient
from realtime.audio.device_watchdog import DeviceWatchdog
from realtime.decks.deck_client import start_deck_process
from realtime.decks.rack import Rack
from realtime.ipc.child_process import ChildProcess
from realtime.ipc.memory_layout import HISTORY, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment
from realtime.ipc.user_folders import data_folder
from realtime.osc.servers import OscSurface
from realtime.session.config import SessionConfig
from realtime.session.controls.controls import Controls
from realtime.session.controls.panic import Panic
from realtime.session.controls.parameters import Parameters
from realtime.session.controls.schedule import Schedule
from realtime.session.host_actions import bind_host_actions
from realtime.session.loading import ModelLoader
from realtime.session.recall.deck_states import DeckStates
from realtime.session.recall.recall import Recall
from realtime.session.recordings import Recordings, check_take
from realtime.session.session_phase import SessionPhase
from realtime.session.signals import Signal
from realtime.session.stage_clock import StageClock
from realtime.session.startup_files import StartupFiles
from realtime.session.status.status import StatusReader
from realtime.session.status.stream_info import StreamInfo
from realtime.session.supervision.device_return import DeviceReturn
from realtime.session.supervision.osc_traffic import OscTraffic
from realtime.session.supervision.task_thread import TaskThread
from realtime.session.surfaces.commands import commands
from realtime.snapshots.store import Snapshots
from realtime.takes.journal import Journal
from realtime.takes.recorder import check_path

if TYPE_CHECKING:
    from realtime.midi import Midi

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Stream:
    """The device and the shared memory that it plays."""

    registry: SegmentRegistry
    output: DeviceClient
    journal: Journal
    segment: Segment
    clock: StageClock
    errands: Executor


@dataclass(frozen=True)
class Signals:
    """The changes that parts announce.

    Attributes
    ----------
    loaded
        Another model, effect or look-ahead is in use, or another deck in focus.
    touched
        The session file has something new to keep.
    """

    loaded: Signal
    touched: Signal


@dataclass(frozen=True)
class Parts:
    """The parts of a session, ready to start."""

    output: DeviceClient
    journal: Journal
    segment: Segment
    clock: StageClock
    errands: Executor
    signals: Signals
    rack: Rack
    schedule: Schedule
    parameters: Parameters
    controls: Controls
    states: DeckStates
    recall: Recall
    recordings: Recordings
    loader: ModelLoader
    status: StatusReader
    info: StreamInfo
    midi: Midi | None
    osc: OscSurface | None
    supervisor: TaskThread


def build(
    config: SessionConfig, files: StartupFiles, phase: SessionPhase, notify: Notify, stack: contextlib.ExitStack
) -> Parts:
    """Build the parts of a session.

    Parameters
    ----------
    stack
        Closes the parts, the last one first.

    Returns
    -------
    Parts
        Silent until `realtime.session.startup.start` starts them.

    Raises
    ------
    GlitchError
        A file cannot be written, the device doesn't exist, a port is taken.
    """
    if config.record is not None:
        check_path(config.record)
    if config.take is not None:
        check_take(config.take)
    registry = stack.enter_context(contextlib.closing(SegmentRegistry()))
    signals = Signals(loaded=Signal(), touched=Signal())
    snapshots = Snapshots() if files.stored is None else files.stored.file.store()
    with contextlib.ExitStack() as early:
        waiting = start_deck_process()  # its process takes longest to start, so it comes first
        early.callback(waiting.close)
        stream = _open_stream(config, files, registry, notify, stack)
        folder = stream.journal.folder / "kept" if files.stored is None else files.stored.states
        states = DeckStates(folder, snapshots, stream.journal, stream.errands, notify=notify, touched=signals.touched)
        rack = _build_rack(config, stream, states, signals, waiting, notify)
        early.pop_all()
    stack.enter_context(contextlib.closing(rack))
    return _build_controllers(config, files, phase, stream, signals, snapshots, states, rack, notify, stack)


def _open_stream(
    config: SessionConfig, files: StartupFiles, registry: SegmentRegistry, notify: Notify, stack: contextlib.ExitStack
) -> Stream:
    """Choose the device, and create the shared memory that it will play."""
    output = DeviceClient()
    stack.callback(output.close)
    device = output.choose(
        config.device,
        config.samplerate,
        files.card.sample_rate,
        model_channels=files.card.method(files.card.live_method).channels,
        input_device=config.input_device,
        outputs=config.outputs,
        inputs=config.inputs,
    )
    journal = Journal(data_folder() / "journals", notify)
    geometry = Geometry("stream", device.channels, HISTORY, device.inputs)
    segment = stack.enter_context(Segment.create(geometry, registry))
    stack.callback(journal.close)
    output.use(segment)
    clock = StageClock(segment["stream"][0], device.sample_rate)
    errands = ThreadPoolExecutor(1, thread_name_prefix="errands")
    return Stream(registry, output, journal, segment, clock, errands)


def _build_rack(
    config: SessionConfig, stream: Stream, states: DeckStates, signals: Signals, waiting: ChildProcess, notify: Notify
) -> Rack:
    return Rack(
        stream.output,
        stream.segment,
        stream.registry,
        sample_rate=stream.clock.sample_rate,
        seed=config.seed,
        inputs=stream.output.device.inputs,
        log=stream.journal,
        known_states=states.known,
        changed=signals.loaded.emit,
        notify=notify,
        child=waiting,
    )


def _build_controllers(
    config: SessionConfig,
    files: StartupFiles,
    phase: SessionPhase,
    stream: Stream,
    signals: Signals,
    snapshots: Snapshots,
    states: DeckStates,
    rack: Rack,
    notify: Notify,
    stack: contextlib.ExitStack,
) -> Parts:
    """Build the parameters, all that acts on them, and all that shows them."""
    output, segment, journal, clock = stream.output, stream.segment, stream.journal, stream.clock
    players, touched = rack.players, signals.touched

    schedule = Schedule(notify)
    parameters = Parameters(rack, clock, schedule)
    signals.loaded.connect(parameters.refresh)
    panic = Panic(output, players, parameters, clock)
    recall = Recall(snapshots, states, players, rack.state_numbers, parameters, clock, notify=notify, touched=touched)
    takes = data_folder() / "takes" if config.takes is None else Path(config.takes)
    recordings = Recordings(takes, segment, journal, clock, parameters, stream.errands, notify=notify)
    stack.callback(recordings.close)
    stack.callback(stream.errands.shutdown)
    controls = Controls(parameters, clock, motion=recall, require_playing=phase.require_playing, touch=touched.emit)
    loader = ModelLoader(rack, files.library, parameters)
    status = StatusReader(segment, players, parameters, output, clock, phase)

    midi = None
    if config.midi is not None:
        from realtime.session.surfaces.midi_connection import connect_midi  # MIDI costs time to import

        midi = connect_midi(
            controls,
            players,
            inputs=config.midi,
            outputs=config.midi_outputs,
            recall=recall.recall_program,
            notify=notify,
        )
    osc = None
    if config.osc is not None:
        osc = OscSurface(
            controls,
            *config.osc,
            query_port=config.query_port,
            readings=status.readings,
            commands=commands(
                recall=recall,
                recordings=recordings,
                loader=loader,
                parameters=parameters,
                latency_ms=status.latency_ms,
                midi=midi,
                notify=notify,
                touch=touched.emit,
            ),
        )
        stack.callback(osc.close)
    bind_host_actions(
        parameters,
        output=output,
        rack=rack,
        lookahead=rack.lookahead,
        panic=panic,
        recall=recall,
        recordings=recordings,
        midi_panic=None if midi is None else midi.panic,
        focus_changed=signals.loaded.emit,
        notify=notify,
    )
    info = StreamInfo(
        segment, players, parameters, output, clock, status, osc=None if osc is None else (osc.host, osc.port)
    )
    watch = DeviceWatchdog(
        output,
        segment,
        notify,
        DeviceReturn(output, clock, rack, recordings, notify=notify, describe=info.write).resume,
    )
    tasks = [clock.observe, lambda: schedule.run_due(clock.now), panic.tend]
    if osc is not None:
        tasks.append(OscTraffic(lambda: osc.counts, segment["stream"][0], notify).tend)
    tasks += [recall.advance, rack.supervise, output.resend_commands, recordings.tend, watch.check]
    return Parts(
        output=output,
        journal=journal,
        segment=segment,
        clock=clock,
        errands=stream.errands,
        signals=signals,
        rack=rack,
        schedule=schedule,
        parameters=parameters,
        controls=controls,
        states=states,
        recall=recall,
        recordings=recordings,
        loader=loader,
        status=status,
        info=info,
        midi=midi,
        osc=osc,
        supervisor=TaskThread(tasks, phase.closing),
    )
