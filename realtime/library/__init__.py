"""Models by name, opening them, and conversion of models of another kind."""
