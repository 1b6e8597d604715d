"""Between processes: shared memory, rings, child processes, priority and the clock.

==================  ================================================================================
`layout`            the layout of shared memory, byte for byte
`segments`          segments of shared memory as named arrays
`registry`          which process owns which segment
`rings`             rings with one writer and one reader
`child`             child processes that answer requests
`lifeline`          notice of the parent's end
`priority`          priority of threads, locked memory
`sample_clock`      conversion of time to sample positions
`compiled`          compiled functions and their cache
`folders`           the folder for the user's data
==================  ================================================================================
"""

__all__ = [
    "child",
    "compiled",
    "folders",
    "layout",
    "lifeline",
    "priority",
    "registry",
    "rings",
    "sample_clock",
    "segments",
]
