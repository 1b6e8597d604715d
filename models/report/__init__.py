"""Reports: charts, plots and HTML pages.

- `single_file_page`, `svg_charts`, `embedded_media`: a single HTML file with SVG charts, spectrograms and sounds
- `page_with_files`: an HTML page with pictures and sounds in separate files
- `png_plots`, `long_spectrogram`: PNG plots with matplotlib
- `picture_grid`, `latent_scatter`: pictures as tensors, for training logs
"""

__all__ = [
    "embedded_media",
    "latent_scatter",
    "long_spectrogram",
    "page_with_files",
    "picture_grid",
    "png_plots",
    "single_file_page",
    "svg_charts",
]
