"""Proofs of a model file: chunked equals whole, delay, speed, rest state."""
