"""Controller layouts from the parameter table.

====================  ==============================
`plan`                contents and order of a layout
`open_stage_control`  sessions of Open Stage Control
`touchosc`            files of TouchOSC
`layout_file`         writing either kind
====================  ==============================
"""

__all__ = ["layout_file", "open_stage_control", "plan", "touchosc"]
