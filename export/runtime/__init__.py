"""Running a graph as the stage does: one thread, one frame a step, buffers in place."""
