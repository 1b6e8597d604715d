"""The model file: one `.onnx` file with a graph and a card. Free of torch.

================  =====================================================================
`card`            the card: dataclasses for methods, controls, latent space, provenance
`dataclass_json`  dataclasses to JSON and back
`graph`           the tensors of a graph; its methods split and merged, bends removed
`validation`      checks of a card and of its graph
`io`              reading and writing of files
`model_facts`     a model as plain values, for `glitch-lab card`
`mel_scale`       mel bands and their filters
================  =====================================================================
"""

__all__ = ["card", "dataclass_json", "graph", "io", "mel_scale", "model_facts", "validation"]
