"""Trained modules as self-describing ONNX files that stream, and the proof that they do.

==================  =============================================================
`errors`            error types that the commands print as one sentence
`format`            the model file: card, graph, validation, reading and writing
`runtime`           a graph run as on stage: one thread, one frame a step
`proof`             chunk equality, delay, speed and rest state, measured
`bending`           live controls for the channels of a graph's layers
`weight_storage`    smaller files: weights stored in half precision or eight bits
`streaming`         torch layers that stream
`torch_export`      torch modules to a model file
`streaming_method`  a stack of streaming layers as a method of a model file
`torchscript`       TorchScript files of the nn~ kind to model files
`exported_names`    names in exported graphs
`quiet_exporter`    torch's ONNX exporter without its output
==================  =============================================================

Only `streaming`, `torch_export`, `streaming_method` and `torchscript` import torch.
"""

__all__ = [
    "bending",
    "errors",
    "exported_names",
    "format",
    "proof",
    "quiet_exporter",
    "runtime",
    "streaming",
    "streaming_method",
    "torch_export",
    "torchscript",
    "weight_storage",
]
