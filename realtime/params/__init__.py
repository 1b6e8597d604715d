"""Parameters: the one table that everything else derives from.

================  ========================================================
`table`           all parameters, those of a model included
`stage_protocol`  the protocol by which control surfaces read and set them
================  ========================================================
"""

__all__ = ["stage_protocol", "table"]
