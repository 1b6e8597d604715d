"""Evaluation of model files.

- `evaluate`: reconstruction metrics of a model on the sounds of a manifest
- `latent_probe`: usage and effect of each latent dimension
- `ceilings`: the same metrics without a network, the best a model of this kind could reach
- `figures_as_text`, `evaluation_page`: the results as tables, and as a page with pictures and sounds
- `boundary_metrics`, `boundary_classifier`: audibility of the boundaries between chunks
- `style_metrics`: success of a style transfer
"""

__all__ = [
    "boundary_classifier",
    "boundary_metrics",
    "ceilings",
    "evaluate",
    "evaluation_page",
    "figures_as_text",
    "latent_probe",
    "style_metrics",
]
