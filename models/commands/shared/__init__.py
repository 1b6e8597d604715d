"""Parts that several commands share.

| module | contents |
| --- | --- |
| `progress_bars` | progress bars on the terminal |
| `process` | the command line, for provenance; the end by a signal |
| `card_tables` | a card and a verification as tables |
| `model_tables` | a written model: proof, methods, layers |
| `layer_options` | options of `export` and `bend` |
| `velocities` | the option `--velocities` |
"""

__all__ = ["card_tables", "layer_options", "model_tables", "process", "progress_bars", "velocities"]
