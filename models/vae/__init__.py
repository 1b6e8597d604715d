"""The variational auto-encoder for pictures, sounds and spectra."""
