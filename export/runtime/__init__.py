"""Graphs run as on stage: one thread, one frame a step, fixed buffers.

==================  ======================================================
`onnx_session`      sessions of onnxruntime with the settings of the stage
`frame_stepper`     one method run step by step, for measuring
`conv1d_to_conv2d`  faster kernels for convolutions over time
==================  ======================================================
"""

__all__ = ["conv1d_to_conv2d", "frame_stepper", "onnx_session"]
