"""Measurements of a model, made before its file is written and repeated by `glitch-lab verify`.

====================  =================================================
`chunk_equality`      the law of the format: chunked equals whole
`single_frame`        graphs that need one frame a step to keep it
`delay`               delay, from the response to a change of the input
`speed`               speed, as a multiple of real time
`export_measurement`  all figures of a card, measured while exporting
`rest_state`          the caches at rest, found and checked
`file_verification`   every promise of a finished file, checked again
====================  =================================================
"""

__all__ = ["chunk_equality", "delay", "export_measurement", "file_verification", "rest_state", "single_frame", "speed"]
