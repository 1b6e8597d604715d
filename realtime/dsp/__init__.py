"""Live signal processing, frame by frame, without allocation where it matters.

====================  ==============================================================
`rtpghi`              magnitudes to audio: real-time phase gradient heap integration
`mel_inversion`       mel bands to audio
`rtpghi_propagation`  the compiled part of both
`resampler`           live resampling with a delay of 0.7 ms
`framer`              live audio in blocks of any size to hops of the model
`input_reader`        reading the live input, with a crossfade where it jumps
`dry_path`            delay and dry/wet mix of the live input
`freeze`              looping the most recent input
`feedback_path`       the model's output added to its input, bounded
`nan_guard`           fades in place of hops with non-finite values
====================  ==============================================================
"""

__all__ = [
    "dry_path",
    "feedback_path",
    "framer",
    "freeze",
    "input_reader",
    "mel_inversion",
    "nan_guard",
    "resampler",
    "rtpghi",
    "rtpghi_propagation",
]
