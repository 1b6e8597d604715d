"""What the window shows, as objects with signals and no widgets."""
