"""Signal processing offline: transforms and their inverses, pitch, onsets, mel spectra, metrics."""
