"""Network bending: live controls for the channels of layers in a finished graph.

=================  ====================================================
`bendable_layers`  the layers that can be bent: found, named, chosen
`bend`             their controls: added to a graph, or to a model file
=================  ====================================================

`export.format.graph.unbent` removes the controls again.
"""

__all__ = ["bend", "bendable_layers"]
