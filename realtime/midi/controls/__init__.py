"""Controls of MIDI controllers, and the parameters that they are mapped to.

=====================  ========================================================
`mapping`              a control and its parameter
`mapping_source`       the control of a mapping: type, number, channel and port
`mapping_file`         the file of all mappings and the settings of notes
`mapping_table`        the mappings in use; saves them when they change
`mapped_control`       events of a control to values of its parameter
`pickup`               no jumps: a fader waits until it meets its parameter
`control_detector`     which control moves, and what it sends
`learning`             mapping the control that moves to a parameter
`controller_feedback`  values back to motor faders and lights
=====================  ========================================================
"""

__all__ = [
    "control_detector",
    "controller_feedback",
    "learning",
    "mapped_control",
    "mapping",
    "mapping_file",
    "mapping_source",
    "mapping_table",
    "pickup",
]
