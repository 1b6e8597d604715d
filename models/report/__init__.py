"""Reports: charts, plots and HTML pages.

- `single_file_page`, `charts`, `embedded_media`: a single HTML file with SVG charts, spectrograms and sounds
- `page_with_files`: an HTML page with pictures and sounds in separate files
- `plots`, `long_spectrogram`: PNG plots with matplotlib
- `picture_grid`, `scatter`: pictures as tensors, for training logs
"""

__all__ = [
    "charts",
    "embedded_media",
    "long_spectrogram",
    "page_with_files",
    "picture_grid",
    "plots",
    "scatter",
    "single_file_page",
]
