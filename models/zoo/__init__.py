"""Bundled models: see README.md here for what each one is and how it was made."""
