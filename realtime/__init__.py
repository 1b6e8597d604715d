"""The stage: stream, decks, latents and control surfaces. `glitch-live` is its command. Never imports torch."""
