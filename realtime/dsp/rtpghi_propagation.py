"""The compiled part of phase inversion, bin by bin and frame by frame; `realtime.dsp.rtpghi` describes the method.

Arrays are float32 [shape=(bins,)] unless it says otherwise; nothing here allocates, raises, or holds the interpreter.
"""

import numpy as np
import numpy.typing as npt

from realtime.ipc.compiled import compiled

Array = npt.NDArray[np.float32]

TOLERANCE = 1e-6  # bins this much below the loudest of their frame and the last get a random phase
SILENCE = 1e-12  # a magnitude below it is 0; a full-scale sine has about n_fft / 4
CEILING = 1e10  # larger magnitudes are clipped, so that squares fit in float32
OVERSHOOT = 0.5  # how far beyond the projection `lean` turns a frame, as a share of the way to it


@compiled
def enter(frame: np.ndarray, magnitudes: Array, logs: Array) -> None:
    """Shift the rows of magnitudes and logs [shape=(3, bins)] back by one and put the new frame, sanitised, first."""
    loudest = np.float32(0)
    for m in range(frame.shape[0]):
        for row in (2, 1):
            magnitudes[row, m] = magnitudes[row - 1, m]
            logs[row, m] = logs[row - 1, m]
        value = frame[m] if SILENCE <= frame[m] < np.inf else 0.0
        magnitudes[0, m] = min(value, CEILING)
        loudest = max(loudest, magnitudes[0, m])
    floor = max(np.float32(TOLERANCE) * loudest, np.float32(SILENCE))
    for m in range(frame.shape[0]):
        logs[0, m] = np.log(max(magnitudes[0, m], floor) * np.float32(1 / SILENCE))  # 0 is silence


@compiled
def centred_delays(logs: Array, scale: np.float32, limit: np.float32, delays: Array) -> None:
    """Group delay of the middle frame, in the measure of `integrate`, from the frames on both sides.

    The limit is that of a sound absent from the frame before: it began after the end of that frame, most likely just
    after, since the window attenuates everything nearer the end of this frame.
    """
    for m in range(delays.shape[0]):
        delay = scale * np.float32(0.5) * (logs[0, m] - logs[2, m])
        delays[m] = min(max(delay, -limit), limit)


@compiled
def causal_delays(
    logs: Array, scale: np.float32, limit: np.float32, impulse_curvature: np.float32, delays: Array
) -> None:
    """Group delay of the newest frame, in the measure of `integrate`, from the frames before it.

    The slope between the last two frames belongs half a hop before the newest. Adding half the curvature, as the
    three-point formula of [1]_ does, moves it to the newest; but where partials beat or a new sound enters, the
    curvature of the last three frames is unreliable. It is therefore clipped between that of a steady sound (none) and
    that of an impulse (the window's).
    """
    for m in range(delays.shape[0]):
        slope = logs[0, m] - logs[1, m]
        curvature = min(max(slope - (logs[1, m] - logs[2, m]), impulse_curvature), np.float32(0))
        delay = scale * (slope + np.float32(0.5) * curvature)
        delays[m] = min(max(delay, -limit), limit)


@compiled
def integrate(
    here: Array,
    before: Array,
    logs: Array,
    delays: Array,
    advance: Array,
    drift_scale: np.float32,
    phasors_before: Array,
    drift_before: Array,
    phasors: Array,
    drift: Array,
    levels: Array,
    random: np.ndarray,
) -> None:
    """Phases of one frame from those of the frame before.

    Parameters
    ----------
    here, before
        Magnitudes of this frame and of the one before.
    logs
        Log-magnitudes of this frame.
    delays
        ``tan(pi * t / n_fft)`` for a group delay of ``t`` samples after the frame's centre. The tangent keeps the delay
        inside the window however steep the rise, and gives the step to the next bin without a sine.
    advance
        Phase that each bin's own frequency gains in a hop, in radians.
    drift_scale
        Radians a hop for each neper between the bin above and the bin below.
    phasors_before, drift_before, phasors, drift
        Phases [shape=(2, bins)] and phase gained beyond ``advance``, of the frame before and of this one. The arrays of
        the frame before may be those of this one.
    levels
        Scratch [shape=(2, bins)].
    random
        State of the random phases, uint32 [shape=(1,)].
    """
    bins = here.shape[0]
    loudest = np.float32(0)
    for m in range(bins):
        loudest = max(loudest, here[m], before[m])
    quiet = max(np.float32(TOLERANCE) * loudest, np.float32(SILENCE))
    from_before, from_left = levels[0], levels[1]
    for m in range(bins):
        from_before[m] = before[m] if before[m] > quiet else np.float32(0)

    # A run of bins that the frame before cannot reach (an isolated onset) starts at its loudest bin
    m = 0
    while m < bins:
        start, reached = m, False
        while m < bins and here[m] > quiet:
            reached |= from_before[m] > 0
            start = m if here[m] > here[start] else start
            m += 1
        if here[start] > quiet and not reached:
            from_before[start] = np.inf
        m += 1

    # Level of the path that reaches each bin from the left: that of its quietest bin
    way = np.float32(0)
    for m in range(bins):
        from_left[m] = way
        way = min(here[m], max(from_before[m], way)) if here[m] > quiet else np.float32(0)

    # The same from the right, and with it the bins best reached from the frame before or from the right
    way = np.float32(0)
    for m in range(bins - 1, -1, -1):
        drift_here = drift_scale * (logs[m + 1] - logs[m - 1]) if 0 < m < bins - 1 else np.float32(0)
        turn = advance[m] + np.float32(0.5) * (drift_here + drift_before[m])
        drift[m] = drift_here
        if here[m] <= quiet:
            if here[m] > 0:
                phasors[0, m], phasors[1, m] = random_phasor(random)
            from_left[m] = way = np.float32(0)
            continue
        if from_before[m] == np.inf:
            phasors[0, m], phasors[1, m] = np.float32(1 - 2 * (m % 2)), np.float32(0)  # in phase at the frame's centre
            from_left[m] = 0
        elif from_before[m] > from_left[m] and from_before[m] >= way:  # if all are equal, one bin leads
            phasors[0, m], phasors[1, m] = rotate(
                phasors_before[0, m], phasors_before[1, m], np.cos(turn), np.sin(turn)
            )
            from_left[m] = 0
        elif way > from_left[m]:
            re, im = step(delays[m] + delays[m + 1])
            phasors[0, m], phasors[1, m] = rotate(phasors[0, m + 1], phasors[1, m + 1], re, -im)
            from_left[m] = 0
        way = min(here[m], max(from_before[m], way))

    # The remaining bins are best reached from the left
    for m in range(1, bins):
        if from_left[m] > 0:
            re, im = step(delays[m - 1] + delays[m])
            phasors[0, m], phasors[1, m] = rotate(phasors[0, m - 1], phasors[1, m - 1], re, im)


@compiled
def step(twice_delay: np.float32) -> tuple[np.float32, np.float32]:
    """Compute the change of phase from one bin to the next, from the sum of both bins' delays.

    Returns
    -------
    real, imag : np.float32
        A unit phasor. The phase falls by 2 arctan(delay), and by another half turn because frames are counted from
        their first sample and not from their centre.
    """
    delay = np.float32(0.5) * twice_delay
    norm = np.float32(1) / (np.float32(1) + delay * delay)
    return (delay * delay - np.float32(1)) * norm, np.float32(2) * delay * norm


@compiled
def rotate(re: np.float32, im: np.float32, by_re: np.float32, by_im: np.float32) -> tuple[np.float32, np.float32]:
    """Rotate a phasor by another: the product of two complex numbers."""
    return re * by_re - im * by_im, re * by_im + im * by_re


@compiled
def random_phasor(random: np.ndarray) -> tuple[np.float32, np.float32]:
    """Draw a phasor of random angle."""
    angle = drawn(random) * np.float32(2 * np.pi)
    return np.cos(angle), np.sin(angle)


@compiled
def scatter(phasors: Array, random: np.ndarray) -> None:
    """Give every bin a phasor of random angle."""
    for m in range(phasors.shape[1]):
        phasors[0, m], phasors[1, m] = random_phasor(random)


@compiled
def drawn(random: np.ndarray) -> np.float32:
    """Draw a number between 0 and 1, never 0 (32-bit xorshift: G. Marsaglia, "Xorshift RNGs", JSS 2003)."""
    state = random[0]
    state ^= state << np.uint32(13)
    state ^= state >> np.uint32(17)
    state ^= state << np.uint32(5)
    random[0] = state
    return np.float32(random[0]) * np.float32(2.0**-32)  # numba counts `state` in more bits


@compiled
def compose(magnitudes: Array, phasors: Array, spectrum: np.ndarray) -> None:
    """Combine magnitudes and phasors [shape=(2, bins)] into the complex spectrum."""
    for m in range(magnitudes.shape[0]):
        spectrum[m] = complex(magnitudes[m] * phasors[0, m], magnitudes[m] * phasors[1, m])


@compiled
def lean(analysed: np.ndarray, magnitudes: Array, phasors: Array) -> None:
    """Turn phasors towards, and a little past, the phases of the resynthesised frame (complex64 [shape=(bins,)])."""
    for m in range(magnitudes.shape[0]):
        back = np.float32(OVERSHOOT) * magnitudes[m]
        re = np.float32(1 + OVERSHOOT) * analysed[m].real - back * phasors[0, m]
        im = np.float32(1 + OVERSHOOT) * analysed[m].imag - back * phasors[1, m]
        power = re * re + im * im
        if power > 0:
            phasors[0, m] = re / np.sqrt(power)
            phasors[1, m] = im / np.sqrt(power)


@compiled
def add_windowed(grain: Array, shape: Array, overlap: Array) -> None:
    """Add a frame's windowed samples to the overlap buffer, from its first sample."""
    for i in range(grain.shape[0]):
        overlap[i] += grain[i] * shape[i]
