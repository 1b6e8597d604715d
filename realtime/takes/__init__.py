"""Recordings, the journal, takes, and their rendering to the same samples."""
