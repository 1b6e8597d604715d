"""The table of every parameter, and the part of it that control surfaces see."""
