"""Conversion of TorchScript files of the nn~ kind to model files.

====================  =============================================================
`converter`           a file to a model file, or a refusal with the reason
`script`              a TorchScript file: archive, announced methods, roles, caches
`tracing`             its methods recorded as graphs of plain operators
`method_runner`       a converted method step by step, and its rest state
`parity`              a converted method compared with its script
`latent_description`  the latent space of a file: names, mean, order of importance
====================  =============================================================
"""

__all__ = ["converter", "latent_description", "method_runner", "parity", "script", "tracing"]
