"""Deck processes and their client, the rack that loads and supervises them, look-ahead, offline playing."""
