"""Audio to spectra and back: STFT, mel, constant-Q; their scales; and the phases of spectra that have lost them."""
