"""The playable model: harmonics and noise, with pitch and loudness in the player's hands."""
