"""The effects chain after the decoder: built-in effects, VST3 and AU plug-ins.

=================  ================================================
`chain`            effects in series, their bypass and mix
`smooth_effect`    one effect that follows its knobs without clicks
`ramp`             linear ramps, counted in steps
`built_in`         the built-in effects and the description of any
`lookup`           effects by name, built-in and installed
`effect_instance`  one instance of an effect as an exact stream
`probe`            the child process that describes a plug-in
=================  ================================================
"""

__all__ = ["built_in", "chain", "effect_instance", "lookup", "probe", "ramp", "smooth_effect"]
