"""The model file: its card, validation, graph operations, reading and writing."""
