"""Parameters: the one table that everything else derives from.

================  ========================================================
`table`           all parameters, those of a model included
`stage_protocol`  the protocol of control surfaces, which read and set them
================  ========================================================
"""

__all__ = ["stage_protocol", "table"]
