"""Methods of a script, run once and recorded as graphs of plain operators.

========================  ============================================================
`method_tracing`          one method with its caches and attributes, recorded
`operator_recorder`       the dispatch mode that records operators
`recorded_graph`          its result: a graph with its caches and random draws
`data_dependence`         operators whose shape or control flow depends on values
`lowering`                operators that ONNX expresses in another way
`complex_as_real`         complex numbers as pairs of real ones
`repeatable_noise`        random numbers that can be drawn again, in NumPy and in ONNX
`random_operators`        torch's random operators in terms of these
`attributes_to_inputs`    attributes of a script as live controls
`windowed_models`         models without caches
`recorded_graph_to_onnx`  a recording exported to ONNX, as a part of a model file
`conv_as_matmul`          convolutions over few samples as matrix products
========================  ============================================================
"""

__all__ = [
    "attributes_to_inputs",
    "complex_as_real",
    "conv_as_matmul",
    "data_dependence",
    "lowering",
    "method_tracing",
    "operator_recorder",
    "random_operators",
    "recorded_graph",
    "recorded_graph_to_onnx",
    "repeatable_noise",
    "windowed_models",
]
