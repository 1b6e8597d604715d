"""The regions of the window.

=============  =======================================================
`header`       model, device, recording; mute and panic
`spectrogram`  the live spectrogram of the output
`health`       load, underruns, latency, OSC traffic
`latents`      the faders: latents, controls of the model, bends, gain
`shortcuts`    the keys, and the page that shows them
=============  =======================================================
"""

__all__ = ["header", "health", "latents", "shortcuts", "spectrogram"]
