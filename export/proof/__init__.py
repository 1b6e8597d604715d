"""Measurements of a model, made before its file is written and repeated by `glitch-lab verify`.

=================  ==========================================================
`chunk_equality`   the law of the format: chunked equals whole
`single_frame`     graphs that need one frame a step to keep it
`delay`            delay, from the response to a change of the input
`speed`            speed, as a multiple of real time
`measurement`      all figures of a card
`rest_state`       the caches at rest, found and checked
`verification`     every promise of a file, checked again
=================  ==========================================================
"""

__all__ = ["chunk_equality", "delay", "measurement", "rest_state", "single_frame", "speed", "verification"]
