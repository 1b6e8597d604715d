"""A deck's sound without its process: streaming of a model's methods, and all that happens to their audio.

=================  ==================================================================
`engine`           events and live input in, audio out
`state`            the engine's state as one value, on disk
`bends`            scales and shifts of bent layers
`transform_input`  the input of a transform: live, frozen, fed back
`decoder`          streaming of `decode`
`transformer`      streaming of `transform`
`encoder`          streaming of `encode`
`audio_method`     what `decode` and `transform` have in common, with phase inversion
`loaded_method`    one method on fixed buffers, run frame by frame
=================  ==================================================================
"""

__all__ = [
    "audio_method",
    "bends",
    "decoder",
    "encoder",
    "engine",
    "loaded_method",
    "state",
    "transform_input",
    "transformer",
]
