"""Reports: charts, plots and HTML pages.

- `page`, `charts`, `embedded`: a single HTML file with SVG charts, spectrograms and sounds
- `gallery`: an HTML page with pictures and sounds in separate files
- `plots`, `long_spectrogram`: PNG plots with matplotlib
- `picture_grid`, `scatter`: pictures as tensors, for training logs
"""

__all__ = ["charts", "embedded", "gallery", "long_spectrogram", "page", "picture_grid", "plots", "scatter"]
