import heapq
from collections.abc import Callable

import hypothesis
import hypothesis.strategies as st
import librosa
import numpy as np
import pytest

from realtime.dsp import rtpghi as phase
from realtime.dsp import rtpghi_propagation
from realtime.dsp.rtpghi import PhaseInverter, invert, stft_magnitudes
from tests.music import PIECES, render

SAMPLE_RATE = 48000
N_FFT, HOP = 2048, 512
STREAMS = st.builds(
    PhaseInverter,
    st.just(256),
    st.sampled_from([32, 50, 64, 127, 128]),  # divisors of n_fft and others
    window=st.sampled_from(sorted(phase.WINDOWS)),
    lookahead=st.integers(0, 1),
    seed=st.integers(0, 2**40),
)
few = hypothesis.settings(max_examples=30, deadline=None)
lookaheads = pytest.mark.parametrize("lookahead", [0, 1])
windows = pytest.mark.parametrize("window", phase.WINDOWS)


def sine(frequency: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def click(at: int, length: int) -> np.ndarray:
    audio = np.zeros(length)
    audio[at] = 1
    return audio


def lively_magnitudes(bins: int, frames: int, seed: int = 0) -> np.ndarray:
    """Noise, resonances, near silence and exact silence: every branch of the integration."""
    random = np.random.default_rng(seed)
    magnitudes = random.gamma(0.5, 1.0, (bins, frames)) * np.exp(random.normal(0, 3, (bins, 1)))
    magnitudes *= 10.0 ** random.integers(-9, 1, (1, frames))
    magnitudes[random.random((bins, frames)) < 0.2] = 0
    magnitudes[:, random.random(frames) < 0.15] = 0
    return magnitudes.astype(np.float32)


def spectral_convergence_db(audio: np.ndarray, magnitudes: np.ndarray, hop: int, window: str = "hann") -> float:
    n_fft = 2 * (len(magnitudes) - 1)
    error = np.linalg.norm(stft_magnitudes(audio, n_fft, hop, window) - magnitudes)
    return float(20 * np.log10(error / np.linalg.norm(magnitudes)))


# A stream


@few
@hypothesis.given(inverter=STREAMS, cuts=st.lists(st.integers(0, 7), max_size=12))
def test_any_cut_of_the_magnitudes_gives_the_same_audio(inverter: PhaseInverter, cuts: list[int]) -> None:
    magnitudes = lively_magnitudes(inverter.bins, 40)
    whole = inverter.push(magnitudes)
    inverter.reset()
    edges = np.minimum(np.cumsum([0, *cuts]), 40)
    pieces = [inverter.push(magnitudes[:, start:end]) for start, end in zip(edges, [*edges[1:], 40], strict=True)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert whole.dtype == np.float32
    assert len(whole) == 40 * inverter.hop


@few
@hypothesis.given(inverter=STREAMS)
def test_reset_gives_what_a_fresh_inverter_gives(inverter: PhaseInverter) -> None:
    magnitudes = lively_magnitudes(inverter.bins, 20)
    fresh = inverter.push(magnitudes)
    inverter.push(lively_magnitudes(inverter.bins, 5, seed=1))
    inverter.reset()
    np.testing.assert_array_equal(inverter.push(magnitudes), fresh)


@few
@hypothesis.given(inverter=STREAMS, frames_before=st.integers(0, 10))
def test_a_snapshot_brings_the_same_future_back_here_and_elsewhere(inverter: PhaseInverter, frames_before: int) -> None:
    inverter.push(lively_magnitudes(inverter.bins, frames_before, seed=1))
    snapshot = inverter.snapshot()
    magnitudes = lively_magnitudes(inverter.bins, 12)
    future = inverter.push(magnitudes)
    inverter.restore(snapshot)
    np.testing.assert_array_equal(inverter.push(magnitudes), future)

    elsewhere = PhaseInverter(
        inverter.n_fft, inverter.hop, window=inverter.window, lookahead=inverter.lookahead, seed=inverter.seed + 1
    )
    elsewhere.restore(snapshot)
    np.testing.assert_array_equal(elsewhere.push(magnitudes), future)


def test_a_snapshot_of_other_settings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(256, 64, 'hann', 0\).*\(256, 64, 'hann', 1\)"):
        PhaseInverter(256, 64, lookahead=1).restore(PhaseInverter(256, 64).snapshot())


@lookaheads
def test_the_seed_alone_decides_what_is_random(lookahead: int) -> None:
    magnitudes = lively_magnitudes(129, 20)
    first, again, other = (
        PhaseInverter(256, 64, lookahead=lookahead, seed=seed).push(magnitudes) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(again, first)
    assert (other != first).any()


@lookaheads
def test_a_frame_sounds_after_the_delay_that_is_stated(lookahead: int) -> None:
    magnitudes = stft_magnitudes(click(10 * HOP, 20 * HOP), N_FFT, HOP)  # at the centre of frame 10
    inverter = PhaseInverter(N_FFT, HOP, lookahead=lookahead)
    audio = inverter.push(magnitudes)
    assert np.argmax(np.abs(audio)) == pytest.approx(10 * HOP + inverter.delay, abs=48)  # 1 ms, of a window of 43


# Silence, and what must not pass


@lookaheads
def test_silence_stays_exactly_silent(lookahead: int) -> None:
    assert not PhaseInverter(N_FFT, HOP, lookahead=lookahead).push(np.zeros((1025, 20))).any()


@few
@hypothesis.given(inverter=STREAMS)
def test_silence_after_sound_is_exact_after_the_last_window_and_sound_returns(
    inverter: PhaseInverter,
) -> None:
    inverter.push(lively_magnitudes(inverter.bins, 10))
    frames = -(-inverter.n_fft // inverter.hop) + inverter.lookahead
    assert not inverter.push(np.zeros((inverter.bins, frames + 4)))[frames * inverter.hop :].any()
    assert inverter.push(np.ones((inverter.bins, 4), np.float32)).any()


@few
@hypothesis.given(
    inverter=STREAMS,
    bad=st.lists(
        st.tuples(
            st.integers(0, 128), st.integers(0, 19), st.sampled_from([np.nan, np.inf, -np.inf, -1.0, -1e30, 1e-300])
        ),
        min_size=1,
    ),
)
def test_negative_and_non_finite_magnitudes_count_as_zero(
    inverter: PhaseInverter, bad: list[tuple[int, int, float]]
) -> None:
    clean, poisoned = (lively_magnitudes(inverter.bins, 20).astype(np.float64) for _ in range(2))
    for m, n, value in bad:
        clean[m, n], poisoned[m, n] = 0, value
    expected = inverter.push(clean)
    inverter.reset()
    np.testing.assert_array_equal(inverter.push(poisoned), expected)


@lookaheads
def test_an_extremely_loud_frame_has_no_lasting_effect(lookahead: int) -> None:
    magnitudes = stft_magnitudes(sine(1000), N_FFT, HOP)
    inverter = PhaseInverter(N_FFT, HOP, lookahead=lookahead)
    assert np.isfinite(inverter.push(np.full((1025, 2), 3e38))).all()
    inverter.push(np.zeros((1025, 6)))
    audio = inverter.push(magnitudes)
    assert spectral_convergence_db(audio[inverter.delay :][: SAMPLE_RATE - 3000], magnitudes[:, :88], HOP) < -25


# Sound quality


@pytest.mark.parametrize(
    ("window", "within_hz", "others_db"),
    [("hann", 0.5, -37), ("sqrt_hann", 1.5, -27), ("hamming", 0.5, -45), ("blackman", 0.5, -58)],
)
@pytest.mark.parametrize("hop", [256, 500, 512])
@lookaheads
def test_a_sine_keeps_its_frequency_and_level_and_gains_nothing_else(
    window: str, within_hz: float, others_db: float, hop: int, lookahead: int
) -> None:
    magnitudes = stft_magnitudes(sine(1000, 2), N_FFT, hop, window)
    audio = invert(magnitudes, N_FFT, hop, window=window, lookahead=lookahead)
    steady = audio[SAMPLE_RATE // 2 :][:SAMPLE_RATE]
    spectrum = np.abs(np.fft.rfft(steady * np.blackman(SAMPLE_RATE), 10 * SAMPLE_RATE))  # ten bins a hertz
    assert np.argmax(spectrum) / 10 == pytest.approx(1000, abs=within_hz)
    assert np.sqrt(2 * np.mean(steady**2)) == pytest.approx(1, abs=0.005)
    others = np.delete(spectrum, slice(9940, 10061)).max() / spectrum.max()
    assert 20 * np.log10(others) < others_db


@pytest.mark.parametrize(("lookahead", "at_most_db"), [(0, -25), (1, -30)])
def test_a_chirp_stays_one_clean_line(lookahead: int, at_most_db: float) -> None:
    chirp = librosa.chirp(fmin=200, fmax=8000, sr=SAMPLE_RATE, duration=2)
    magnitudes = stft_magnitudes(chirp, N_FFT, HOP)
    audio = invert(magnitudes, N_FFT, HOP, lookahead=lookahead, length=len(chirp))
    assert spectral_convergence_db(audio, magnitudes, HOP) < at_most_db


@hypothesis.settings(max_examples=20, deadline=None)
@hypothesis.given(position=st.integers(6000, 18000), lookahead=st.integers(0, 1))
@hypothesis.example(position=9088, lookahead=0)  # where all bins are as loud as each other, to the last bit
@hypothesis.example(position=9472, lookahead=1)
def test_a_click_out_of_silence_stays_a_click_where_it_was(position: int, lookahead: int) -> None:
    magnitudes = stft_magnitudes(click(position, 24000), N_FFT, HOP)
    energy = invert(magnitudes, N_FFT, HOP, lookahead=lookahead, length=24000).astype(np.float64) ** 2
    assert energy @ np.arange(24000) / energy.sum() == pytest.approx(position, abs=144)  # 3 ms, of a window of 43
    assert energy[position - 240 : position + 240].sum() > 0.75 * energy.sum()  # 5 ms to each side


@lookaheads
@pytest.mark.parametrize("hop", [256, 512])
def test_an_onset_has_no_pre_echo(lookahead: int, hop: int) -> None:
    note = sine(800) * np.exp(-np.arange(SAMPLE_RATE) / 6000)
    magnitudes = stft_magnitudes(np.concatenate([np.zeros(12000), note]), N_FFT, hop)
    energy = invert(magnitudes, N_FFT, hop, lookahead=lookahead) ** 2
    assert 10 * np.log10(energy[: 12000 - 240].sum() / energy.sum()) < -35


@lookaheads
def test_isolated_onsets_each_find_their_phases(lookahead: int) -> None:
    random = np.random.default_rng(0)
    spectrum = np.fft.rfft(random.standard_normal(SAMPLE_RATE) * (np.arange(SAMPLE_RATE) > 12000))
    frequencies = np.fft.rfftfreq(SAMPLE_RATE, 1 / SAMPLE_RATE)
    spectrum[(frequencies < 500) | ((frequencies > 1000) & (frequencies < 9000)) | (frequencies > 9500)] = 0
    magnitudes = stft_magnitudes(np.fft.irfft(spectrum), N_FFT, HOP)
    magnitudes[:, :20] = 0
    magnitudes[magnitudes < 1e-3 * magnitudes.max()] = 0  # two bands with exact silence between
    both = invert(magnitudes, N_FFT, HOP, lookahead=lookahead)
    assert spectral_convergence_db(both, magnitudes, HOP) < -12


@windows
def test_every_window_is_inverted_about_as_well(window: str) -> None:
    audio, _ = render("strings")
    magnitudes = stft_magnitudes(audio, N_FFT, 256, window)
    inverted = invert(magnitudes, N_FFT, 256, window=window, length=len(audio))
    assert spectral_convergence_db(inverted, magnitudes, 256, window) < -22


@pytest.mark.parametrize(
    ("hop", "lookahead", "at_most_db"), [(512, 0, -18.4), (512, 1, -20.6), (256, 0, -22.6), (256, 1, -24.5)]
)
def test_music_comes_back_with_the_promised_spectral_convergence(hop: int, lookahead: int, at_most_db: float) -> None:
    convergence = []
    for piece in PIECES:
        audio, _ = render(piece)
        magnitudes = stft_magnitudes(audio, N_FFT, hop)
        inverted = invert(magnitudes, N_FFT, hop, lookahead=lookahead, length=len(audio))
        convergence.append(spectral_convergence_db(inverted, magnitudes, hop))
    assert np.mean(convergence) < at_most_db


# The parts


def phases_by_the_heap(
    here: np.ndarray, before: np.ndarray, delays: np.ndarray, turns: np.ndarray, phasors_before: np.ndarray
) -> np.ndarray:
    """RTPGHI's integration with a heap, as the paper has it: the loudest bin reached so far goes first."""
    quiet = max(rtpghi_propagation.TOLERANCE * max(here.max(), before.max()), np.float32(rtpghi_propagation.SILENCE))
    phasors = np.zeros(len(here), complex)
    todo = set(np.flatnonzero(here > quiet))
    heap = [(-before[m], 0, m) for m in np.flatnonzero(before > quiet)]
    heapq.heapify(heap)
    while todo:
        if not heap:
            m = max(todo, key=lambda m: here[m])  # an isolated onset
            phasors[m] = (-1.0) ** m
            todo.remove(m)
            heap = [(-here[m], 1, m)]
        _, is_here, m = heapq.heappop(heap)
        steps = {m: phasors_before[m] * np.exp(1j * turns[m])}
        if is_here:
            angle = {k: 2 * np.arctan((delays[m] + delays[k]) / 2) for k in (m - 1, m + 1) if 0 <= k < len(here)}
            steps = {k: -phasors[m] * np.exp(1j * (m - k) * angle[k]) for k in angle}
        for k in todo & steps.keys():
            phasors[k] = steps[k]
            todo.remove(k)
            heapq.heappush(heap, (-here[k], 1, k))
    return phasors


@few
@hypothesis.given(seed=st.integers(0, 2**32 - 1), bins=st.integers(3, 80))
def test_two_sweeps_reach_every_bin_the_way_the_heap_does(seed: int, bins: int) -> None:
    random = np.random.default_rng(seed)
    here, before = lively_magnitudes(bins, 2, seed).T.copy()
    here[random.random(bins) < 0.1] *= 1e-9
    logs = np.log(np.maximum(here, 1e-9))
    delays, drift_before, advance = random.normal(0, 1, (3, bins)).astype(np.float32)
    angles = random.uniform(0, 2 * np.pi, bins)
    phasors_before = np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    phasors, drift, levels = np.zeros_like(phasors_before), np.zeros_like(here), np.zeros((2, bins), np.float32)
    scale, state = np.float32(0.3), np.ones(1, np.uint32)
    rtpghi_propagation.integrate(
        here, before, logs, delays, advance, scale, phasors_before, drift_before, phasors, drift, levels, state
    )
    turns = advance + (np.pad(scale * (logs[2:] - logs[:-2]), 1) + drift_before) / 2
    expected = phases_by_the_heap(here, before, delays, turns, np.exp(1j * angles))
    audible = expected != 0
    np.testing.assert_allclose((phasors[0] + 1j * phasors[1])[audible], expected[audible], atol=1e-4)


@windows
@pytest.mark.parametrize("hop", [100, 128])
def test_magnitudes_are_those_of_librosas_centred_stft(window: str, hop: int) -> None:
    audio = np.random.default_rng(0).standard_normal(5001).astype(np.float32)
    shape = phase.analysis_window(512, window)
    expected = np.abs(librosa.stft(audio, n_fft=512, hop_length=hop, window=shape, pad_mode="constant"))
    np.testing.assert_allclose(stft_magnitudes(audio, 512, hop, window), expected, atol=2e-5)


@pytest.mark.parametrize("length", [0, 1, 24000, 24064])
def test_invert_gives_the_length_that_is_asked_for(length: int) -> None:
    magnitudes = stft_magnitudes(sine(440, 0.5), 512, 128)
    assert len(invert(magnitudes, 512, 128, length=length)) == length


@lookaheads
def test_invert_keeps_the_level_up_to_the_first_and_last_sample(lookahead: int) -> None:
    audio = invert(stft_magnitudes(sine(1000, 0.5), 512, 128), 512, 128, lookahead=lookahead, length=24000)
    for end in (audio[:480], audio[-480:]):
        assert np.sqrt(2 * np.mean(end**2)) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: PhaseInverter(2047, 512), "even"),
        (lambda: PhaseInverter(2, 1), "at least 4"),
        (lambda: PhaseInverter(2048, 0), "1 to 1024"),
        (lambda: PhaseInverter(2048, 1025), "1 to 1024"),
        (lambda: PhaseInverter(2048, 512, window="kaiser"), "hann, sqrt_hann, hamming, blackman"),
        (lambda: PhaseInverter(2048, 512, lookahead=2), "0 or 1"),
        (lambda: PhaseInverter(2048, 512).push(np.zeros((1024, 1))), r"\(1025, frames\)"),
        (lambda: PhaseInverter(2048, 512).push(np.zeros(1025)), r"\(1025, frames\)"),
        (lambda: PhaseInverter(2048, 512).push(np.zeros((1025, 1), complex)), "real numbers"),
        (lambda: invert(np.zeros((257, 4)), 512, 128, length=513), "0 to 512"),
    ],
)
def test_errors_name_the_allowed_values(wrong: Callable[[], object], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        wrong()


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int32"])
def test_warm_compiles_everything(kind: str) -> None:
    phase.warm()
    kernels = [value for value in vars(rtpghi_propagation).values() if hasattr(value, "signatures")]
    compiled = [len(kernel.signatures) for kernel in kernels]
    for lookahead in (0, 1):
        PhaseInverter(512, 100, window="hamming", lookahead=lookahead).push(np.ones((257, 3), kind)[:, ::2])
    assert [len(kernel.signatures) for kernel in kernels] == compiled
    assert sum(compiled) >= len(compiled) - 5  # helpers are compiled into their callers
