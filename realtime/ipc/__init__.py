"""Between processes: shared memory, rings, child processes, priority and the clock.

==================  ==========================================
`memory_layout`     the layout of shared memory, byte for byte
`segments`          segments of shared memory as named arrays
`segment_registry`  which process owns which segment
`rings`             rings with one writer and one reader
`child_process`     child processes that answer requests
`lifeline`          notice of the parent's end
`priority`          priority of threads, locked memory
`sample_clock`      conversion of time to sample positions
`compiled`          compiled functions and their cache
`user_folders`      the folder for the user's data
==================  ==========================================
"""

__all__ = [
    "child_process",
    "compiled",
    "lifeline",
    "memory_layout",
    "priority",
    "rings",
    "sample_clock",
    "segment_registry",
    "segments",
    "user_folders",
]
