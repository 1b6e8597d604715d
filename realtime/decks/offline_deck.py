"""One deck played offline: the same engine and callback as on the stage, without processes, device or clock.

On the stage a deck decodes ahead of the speaker, and the callback reads its ring. Here each frame passes through ring
and callback as soon as it is decoded. With the same events from the first frame on, both give the same samples.
"""

from __future__ import annotations

import numpy as np

from realtime.audio.deck_mixer import DeckMixer
from realtime.engine.engine import Engine
from realtime.ipc import rings
from realtime.ipc.memory_layout import HISTORY, RING, Geometry
from realtime.ipc.segments import Segment

MAX_FRAMES = RING // 4  # audio frames that pass through the ring at once


class OfflineDeck:
    """Plays one deck alone, with the master at its defaults, from its first frame on.

    Parameters
    ----------
    engine
        The deck's engine; change its parameters with `Engine.apply`, before the first frame or between two.
    channels
        Of the output. None takes as many as the engine has; the stage has at least two and plays mono on both.

    See Also
    --------
    realtime.takes.renderer : Renders a take, with every event and dropout.
    """

    def __init__(self, engine: Engine, channels: int | None = None) -> None:
        self.engine = engine
        self.channels = engine.channels if channels is None else channels
        self._deck = Segment.local(Geometry("deck", engine.channels, RING))
        self._stream = Segment.local(Geometry("stream", self.channels, HISTORY))
        self._mixer = DeckMixer(self._stream, engine.sample_rate, self.channels)
        self._mixer.plug(0, self._deck)

    def next(self, live: np.ndarray | None = None) -> np.ndarray:
        """Play the next latent frame.

        Parameters
        ----------
        live : np.ndarray [shape=(inputs, samples)]
            `Engine.input_wanted` samples of the live input, if the engine has one.

        Returns
        -------
        audio : np.ndarray [shape=(samples, channels)], float32
        """
        decoded = self.engine.next(live)
        out = np.zeros((decoded.shape[1], self.channels), np.float32)
        for begin in range(0, len(out), MAX_FRAMES):
            audio = np.ascontiguousarray(decoded[:, begin : begin + MAX_FRAMES])
            rings.push_audio(self._deck["ring_index"], self._deck["ring"], self.engine.channels, audio)
            self._mixer.process(out[begin : begin + MAX_FRAMES].reshape(-1), audio.shape[1])
        rings.clear(self._stream["log_index"])
        return out
