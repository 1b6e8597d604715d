"""How good a model file is: figures, ceilings, boundaries, style, and pages that show them."""
