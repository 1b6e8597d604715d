"""MIDI, connected to a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from realtime.decks.player import Player
from realtime.ipc.user_folders import data_folder
from realtime.midi import Midi
from realtime.params.stage_protocol import Stage


def connect_midi(
    stage: Stage,
    players: Mapping[str, Player],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str] | None,
    recall: Callable[[int], None],
    notify: Callable[[str], None],
) -> Midi:
    """Connect MIDI to a stage.

    Parameters
    ----------
    players
        The decks whose walks restart with the MIDI clock, by letter.
    inputs
        Parts of the names of inputs.
    outputs
        Parts of the names of outputs that receive feedback. Default: the names in `inputs`, except `"*"`, so that
        feedback doesn't go to every synthesizer.
    recall
        Called with the number of a program change.

    Returns
    -------
    Midi
        Its ports open when it is started.
    """

    def transport(running: bool, quarters: float) -> None:
        """Restart the walks that follow the tempo when the piece starts from its beginning."""
        if not running or quarters != 0.0:
            return
        for letter, player in players.items():
            if "/walk/beats" in player.table and stage.get(f"/{letter}/walk/beats") > 0:
                stage.set(f"/{letter}/walk/seed", stage.get(f"/{letter}/walk/seed"))

    return Midi(
        stage,
        mapping=data_folder() / "midi.json",
        inputs=inputs,
        outputs=[name for name in inputs if name != "*"] if outputs is None else outputs,
        notify=notify,
        recall=recall,
        tempo=lambda bpm: stage.set("/tempo", bpm),
        transport=transport,
    )
