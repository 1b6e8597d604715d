"""Methods of a script, run once and recorded as graphs of plain operators."""
