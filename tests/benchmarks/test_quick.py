"""Every benchmark runs, in its quick form, and its result has all its figures, each in a plausible range."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.benchmarks.support.catalogue import benchmarks
from tests.benchmarks.support.shapes import ListOf, Optional, Range, count, mismatches

pytestmark = pytest.mark.plays

BENCHMARKS = benchmarks()
MS, DB, LOAD = Range(1e-6, 1e5), Range(-400.0, 400.0), Range(1e-6, 50.0)
RATIO = Range(1e-3, 1e3)
SHARE = Range(0.0, 1.0)

PHASE_METHODS = (
    "rtpghi0",
    "rtpghi1",
    "rtisi_la",
    "griffin_lim",
    "fast_griffin_lim",
    "pghi",
    "pghi_fast_griffin_lim",
    "pghi_raar",
    "pghi_raar_300",
)
PHASE_DB = {f"{name}_db": Range(-80.0, -3.0) for name in PHASE_METHODS} | {
    f"griffinlim{rounds}_db": Range(-80.0, -3.0) for rounds in ("32", "100", "100_plain")
}
PHASE = PHASE_DB | {f"{name}_load": LOAD for name in PHASE_METHODS} | {"asked_db": dict}

MEL_METHODS = ("pinv_rtpghi", "nnls_rtpghi1", "nnls_griffinlim32", "live", "good", "best")
MEL = {f"{name}_db": Range(1e-3, 20.0) for name in MEL_METHODS} | {"good_load": LOAD, "best_load": LOAD}

NOTES = {
    "mel_db": Range(0.01, 30.0),
    "worst_mel_db": Range(0.01, 30.0),
    "sc_db": Range(-80.0, 3.0),
    "worst_sc_db": Range(-80.0, 3.0),
    "cents": Range(0.0, 100.0),
    "worst_note_cents": Range(0.0, 200.0),
    "notes_over_25": count(),
    "frames_over_25": SHARE,
}

DECODER = {
    "onnx_ms": MS,
    "torchscript_ms": MS,
    "ratio": RATIO,
    "realtime_factor": Range(0.05, 1e5),
    "load": Range(1e-5, 20.0),
}

STALLS = {"underruns": count(), "underruns_in_stalls": count(), "stalls": count(), "longest_stall_ms": Range(0.0, 1e4)}

BORDERS = {
    "jump_db": Range(-60.0, 60.0),
    "jump_error_db": Range(0.0, 60.0),
    "border_auc": SHARE,
    "border_auc_error": SHARE,
    "border_auc_on_grid": SHARE,
    "flux_ratio": Range(0.01, 100.0),
    "flux_ratio_error": Range(0.0, 100.0),
    "borders": count(10, 100),
}
FORM = BORDERS | {
    "border_sc_db": DB,
    "whole_sc_db": DB,
    "border_off_db": DB,
    "jump_whole_db": Range(-60.0, 60.0),
}
LIVE = STALLS | {
    "seconds": Range(1.0, 60.0),
    "ahead": count(1),
    "device_underruns": count(),
    "silent_device_underruns": count(),
    "load": LOAD,
    "latency_ms": Range(1.0, 1e4),
    "input_latency_ms": Optional(Range(0.0, 1e4)),
    "capture_holes": count(),
    "captured": Optional(BORDERS),
    "played": BORDERS,
}


def chunk_model(bare: Any) -> dict[str, Any]:
    return FORM | {
        "equivariance_db": DB,
        "equivariance_heard_db": DB,
        "chunk_s": Range(0.1, 1.0),
        "apart": FORM,
        "bare": bare,
        "unconstrained": FORM,
        "naive": FORM,
    }


BLOCKS_OF_B = {"blocks": count(100), "differing": count(), "slips": count(), "largest": Optional(Range(0.0, 1e-5))}
STYLE = {"share": SHARE, "onset_f": SHARE}
TRANSFORM = {
    "real_time": Range(0.01, 1000.0),
    "memory_mb": Range(50.0, 5000.0),
    "minute_memory_mb": Range(50.0, 5000.0),
}
VAE = {
    "negative_elbo": Range(5.0, 60.0),
    "nll": Range(5.0, 60.0),
    "epochs": count(1, 5),
    "seconds": Range(0.01, 600.0),
}

SHAPES: dict[str, Any] = {
    "bend": {
        "plain_ms": MS,
        "at_rest_ms": MS,
        "ratio": Range(0.2, 5.0),
        "bent_ms": MS,
        "bent_ratio": Range(0.2, 20.0),
        "deck_ratio": Range(0.2, 5.0),
        "first_bent_ms": MS,
        "cold_ms": MS,
        "load_plain_ms": MS,
        "load_bent_ms": MS,
        "layers": count(2),
    },
    "bundles": {
        "bundles": count(20, 20),
        "disturbed": count(),
        "within_a_hop": count(1, 20),
        "median_error": Range(-2400.0, 2400.0),
        "worst_error": Range(-2400.0, 2400.0),
        "earliest": Range(-2400.0, 2400.0),
        "latest": Range(-2400.0, 2400.0),
        "hop": 128,
        "block": 64,
        "unseen": count(0, 19),
        "captured": count(1),
        "agreeing": count(1),
        "underruns": count(),
        "device_underruns": count(),
    },
    "callback": {kind: {"due": count(700), "served": count(10)} for kind in ("native", "python")},
    "decode": {"bundled": DECODER, "spectral": DECODER},
    "faster": {
        "bundled": {
            "default_ms": MS,
            "ratios": dict.fromkeys(
                (
                    "the same again",
                    "no optimisation",
                    "basic optimisation",
                    "extended optimisation",
                    "no arena",
                    "no memory pattern",
                    "no prepacking",
                    "convolutions as they are",
                    "frames left open",
                    "run() without binding",
                    "int8 dynamic",
                    "fp16 weights",
                    "int8 weights",
                ),
                RATIO,
            ),
            "weights": {
                "fp32": {"megabytes": Range(0.1, 100.0), "signal_to_error_db": None},
                **{
                    kind: {"megabytes": Range(0.1, 100.0), "signal_to_error_db": Range(-60.0, 200.0)}
                    for kind in ("fp16", "int8", "int8 dynamic")
                },
            },
        }
    },
    "fuzz": {
        "packets": 2000,
        "midi": 200,
        "underruns": count(),
        "device_underruns": count(),
        "silent_device_underruns": count(),
        "capture_holes": count(),
        "unanswered": 0,
        "osc_messages": count(100),
        "osc_bad": count(1),
        "osc_unknown": count(1),
        "midi_messages": count(10),
        "problems": [],
        "outside": [],
        "crashes": 0,
        "outside_files": 0,
        "watched": ["audit hook"],
    },
    "latency": {
        "median_ms": Range(0.5, 400.0),
        "p99_ms": Range(0.5, 500.0),
        "underruns": count(),
        "hop": 128,
        "block": 64,
        "trials": 50,
    },
    "mel": MEL
    | {
        "live_load": LOAD,
        "buzz_db": {name: Range(0.0, 60.0) for name in ("noise", *MEL_METHODS)},
        "by_piece": {"piano": MEL},
    },
    "note": STALLS
    | {
        "median_ms": Range(0.5, 500.0),
        "p99_ms": Range(0.5, 500.0),
        "keys": count(5, 10),
        "unheard": count(0, 5),
        "disturbed": count(0, 5),
        "p99_all_ms": Range(0.5, 500.0),
        "hop": 128,
        "block": 64,
    },
    "nsgt": {
        **{
            name: {
                "whole": Range(1e-18, 1e-12),
                "sliced": Range(1e-18, 1e-12),
                "silence": Range(0.0, 1e-12),
                "bands": count(20, 1000),
                "redundancy": Range(1.0, 100.0),
            }
            for name in ("semitones", "mel", "bark")
        },
        "agreement_db": {length: Range(-200.0, -3.0) for length in ("4096", "16384")},
    },
    "osc": {
        "messages_per_s": count(500),
        "reference_per_s": count(100),
        "ratio": Range(0.5, 1000.0),
        "in_order": True,
        "flow": {
            "sent": count(500),
            "lost": count(),
            "per_s": Range(500.0, 3000.0),
            "reference_sent": count(500),
            "reference_lost": count(),
        },
    },
    "phase": {material: dict.fromkeys(("hop512", "hop256"), PHASE) for material in ("music", "notes")}
    | {"all": {hop: PHASE_DB | {"asked_db": dict} for hop in ("hop512", "hop256")}},
    "playable": {
        **{
            model: {
                "rows": dict.fromkeys(("playable", "preset", "resynthesis", "inversion", *more), NOTES),
                "leakage_db": Range(0.0, 20.0),
                "pre_onset_db": Range(-300.0, -20.0),
                "worst_pre_onset_db": Range(-300.0, -20.0),
                "hop_ms": MS,
                "notes": 1,
            }
            for model, more in (("orchestra", ("spectral",)), ("voices", ()))
        },
        "eight_hop_ms": MS,
    },
    "recall": {
        "recalls": 20,
        "within": count(1, 20),
        "median_ms": Range(0.5, 500.0),
        "p99_ms": Range(0.5, 500.0),
        "limit_ms": Range(2.0, 1000.0),
        "reloads": 0,
    },
    "report": {
        "runs": ListOf(
            {
                "block": 64,
                "reported_ms": Range(1.0, 500.0),
                "parts_ms": dict,
                "measured_ms": Range(1.0, 500.0),
                "difference_ms": Range(-500.0, 500.0),
                "block_ms": Range(1.3, 1.4),
                "within_a_block": bool,
                "captured_ms": Range(0.5, 500.0),
                "reported_to_device_ms": Range(0.5, 500.0),
                "device_ms": Range(0.0, 100.0),
                "trials": count(8, 15),
                "underruns": count(),
            }
        )
    },
    "soak": {
        "seconds": Range(2.9, 60.0),
        "underruns": count(),
        "device_underruns": count(),
        "silent_device_underruns": count(),
        "capture_holes": count(),
        "longest_silence_ms": Range(0.0, 60_000.0),
        "load": LOAD,
        "memory_first_mb": Range(50.0, 5000.0),
        "memory_end_mb": Range(50.0, 5000.0),
        "memory_ratio": Range(0.5, 2.0),
        "osc_sent": count(100),
        "osc_lost": count(-10),
        "midi_sent": count(50),
        "midi_lost": count(-10),
        "midi_lost_beside": count(-10),
        "midi_restarts": count(),
        "midi_coalesced": count(),
        "recorded_s": Range(1.0, 120.0),
        "recording_lost": count(),
    },
    "stage": {
        "runs": ListOf(
            {
                "seconds": Range(1.9, 10.0),
                "underruns": count(),
                "device_underruns": count(),
                "silent_device_underruns": count(),
                "messages": count(100, 450),
                "load": LOAD,
            }
        )
    },
    "spectrogram": {
        "qpainter": {"ms": Range(0.05, 500.0), "cpu_ms": Range(0.05, 500.0)},
        "pyqtgraph": {"ms": Range(0.05, 500.0), "cpu_ms": Range(0.05, 500.0)},
        "ratio": Range(0.05, 100.0),
        "cpu_ratio": Range(0.05, 100.0),
        "same_pixels": Range(0.95, 1.0),
        "columns_a_frame": 2,
        "width": count(1000, 1280),
        "height": count(300, 440),
    },
    "startup": {"cold_s": Range(0.3, 120.0), "warm_s": Range(0.2, 120.0), "resident_mb": Range(50.0, 5000.0)},
    "stitch": {
        "endless": chunk_model(FORM),
        "plucked-to-brass": chunk_model(None),
        "style": {
            "model": "plucked-to-brass",
            "accuracy": SHARE,
            "clips": count(8),
            "transformed": count(4),
            "before": STYLE,
            "after": STYLE,
        },
        "live": {"plucked-to-brass": LIVE},
    },
    "survive": {
        "kills": 1,
        "back_s": ListOf(Range(0.05, 10.0)),
        "slowest_s": Range(0.05, 10.0),
        "longest_clock_gap_ms": Range(0.0, 10_000.0),
        "longest_silence_of_b_ms": Range(0.0, 10_000.0),
        "b_underruns": count(),
        "device_underruns": count(),
        "silent_device_underruns": count(),
        "capture_holes": count(),
        "b_from_twin": BLOCKS_OF_B,
        "b_from_offline": BLOCKS_OF_B,
        "twin_from_offline": BLOCKS_OF_B,
        "compared_s": Range(0.5, 60.0),
        "server": {"down_s": Range(0.5, 30.0), "back_s": Range(0.0, 30.0), "same_deck": True, "notes": ListOf(str)},
    },
    "swap": {
        "runs": ListOf(
            STALLS
            | {
                "pair": "chord and fifths",
                "block": 64,
                "ahead": 1920,
                "swaps": 2,
                "device_underruns": count(),
                "silent_device_underruns": count(),
                "own_underruns": count(),
                "own_seconds": Range(1.0, 60.0),
                "largest_jump": Range(1e-4, 2.0),
                "own_jump": Range(1e-4, 2.0),
                "own_jumps": ListOf(Range(1e-4, 2.0), 2),
                "crossed_jump": Range(1e-4, 3.0),
                "played_jump": Range(1e-4, 2.0),
                "own_played_jump": Range(1e-4, 2.0),
                "capture_holes": count(),
                "silent_ms": Range(0.0, 60_000.0),
                "swap_s": Range(0.01, 30.0),
                "seconds": Range(0.5, 60.0),
            }
        )
    },
    "take": {
        "seconds": Range(2.5, 60.0),
        "events": 60,
        "largest_difference": Range(0.0, 1.0),
        "times_real_time": Range(0.01, 100.0),
        "underruns": count(),
        "journal": {
            "flow_per_s": Range(5000, 20_500),
            "flow_events": count(2500),
            "flow_lost": count(),
            "events_per_s": Range(20_000, 1e9),
            "plain_file_per_s": Range(20_000, 1e9),
            "cost_ratio": Range(0.1, 1000.0),
        },
    },
    "transform": {"stereo": TRANSFORM, "mono": TRANSFORM},
    "vae": {
        "vae": VAE,
        "mixture_prior": VAE,
        "bernoulli_mixture_nll": Range(10.0, 30.0),
        "bernoulli_nll": Range(15.0, 40.0),
        "test_digits": count(300, 400),
        "samples": 20,
    },
    "window": {"fps": Range(0.5, 200.0), "cpu_share": Range(1e-3, 4.0), "width": 1280, "height": 800},
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_measures_all_its_figures(name: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", name, "--quick", "--json", "--limit", "150"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert mismatches(json.loads(done.stdout), SHAPES[name]) == []
    assert f"{name}: " in done.stderr  # progress
