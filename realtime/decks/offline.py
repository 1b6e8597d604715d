"""The stage without its processes, device and clock: the same engine and the same callback, as fast as they go.

On the stage a deck makes frames ahead of the speaker, and the callback takes them out of its ring. Here each frame goes
through ring and callback as soon as it is made. Neither knows the difference: what is steered in the same way from the
first frame on gives the same samples.
"""

from __future__ import annotations

import numpy as np

from realtime.audio.mixer import Mixer
from realtime.engine.engine import Engine
from realtime.ipc import rings
from realtime.ipc.layout import HISTORY, RING, Geometry
from realtime.ipc.segments import Segment

PORTION = RING // 4  # frames that go through the ring at once


class Offline:
    """One deck, heard alone and with the master untouched, from its first frame on.

    Parameters
    ----------
    engine
        What the deck plays; its knobs are turned by `Engine.apply`, before the first frame or between two.
    channels
        Of the output; None takes the engine's. The stage has two at least, and plays mono on both.

    See Also
    --------
    realtime.takes.renderer : the same for what was played, with all that happened to it.
    """

    def __init__(self, engine: Engine, channels: int | None = None) -> None:
        self.engine = engine
        self.channels = engine.channels if channels is None else channels
        self._deck = Segment.local(Geometry("deck", engine.channels, RING))
        self._stream = Segment.local(Geometry("stream", self.channels, HISTORY))
        self._mixer = Mixer(self._stream, engine.sample_rate, self.channels)
        self._mixer.plug(0, self._deck)

    def next(self, given: np.ndarray | None = None) -> np.ndarray:
        """Give what sounds of the next latent frame [shape=(frames, channels)], float32.

        Parameters
        ----------
        given : np.ndarray [shape=(inputs, samples)]
            `Engine.wanted` samples of the live input, where the engine has one.
        """
        made = self.engine.next(given)
        out = np.zeros((made.shape[1], self.channels), np.float32)
        for begin in range(0, len(out), PORTION):
            audio = np.ascontiguousarray(made[:, begin : begin + PORTION])
            rings.push_audio(self._deck["ring_index"], self._deck["ring"], self.engine.channels, audio)
            self._mixer.process(out[begin : begin + PORTION].reshape(-1), audio.shape[1])
        rings.clear(self._stream["log_index"])
        return out
