"""The effects chain after the decoder: built-in effects, VST3 and AU plug-ins.

=========  ===================================================
`chain`    effects in series, their knobs, bypass and mix
`table`    the built-in effects and the description of any
`catalog`  effects by name, built-in and installed
`voice`    one instance of an effect as an exact stream
`probe`    the child process that describes a plug-in
=========  ===================================================
"""

__all__ = ["catalog", "chain", "probe", "table", "voice"]
