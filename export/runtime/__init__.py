"""Graphs run as on stage: one thread, one frame a step, fixed buffers.

====================  =================================================
`frame_stepper`       session settings, and one method run step by step
`conv1d_to_conv2d`    faster kernels for convolutions over time
====================  =================================================
"""

__all__ = ["conv1d_to_conv2d", "frame_stepper"]
