"""Sounds through a model file, frame by frame as on stage."""
