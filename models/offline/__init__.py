"""Models played offline, to files: explored, walked without end, or transforming a sound."""
