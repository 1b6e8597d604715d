"""The window: a process of its own that draws shared memory and speaks OSC to the host."""
