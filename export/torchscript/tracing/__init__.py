"""Methods of a script, run once and recorded as graphs of plain operators.

=========================  ============================================================
`method_tracing`           one method with its caches and attributes, recorded
`recorder`, `recording`    the dispatch mode that records, and its result
`data_dependence`          operators whose shape or control flow depends on values
`lowering`                 operators that ONNX expresses in another way
`complex_as_real`          complex numbers as pairs of real ones
`noise`                    random numbers that can be drawn again, in NumPy and in ONNX
`randomness`               torch's random operators in terms of these
`attributes_to_inputs`     attributes of a script as live controls
`windowed_models`          models without caches
`recording_to_onnx`        a recording exported to ONNX, as a part of a model file
`conv_as_matmul`           convolutions over few samples as matrix products
=========================  ============================================================
"""

__all__ = [
    "attributes_to_inputs",
    "complex_as_real",
    "conv_as_matmul",
    "data_dependence",
    "lowering",
    "method_tracing",
    "noise",
    "randomness",
    "recorder",
    "recording",
    "recording_to_onnx",
    "windowed_models",
]
