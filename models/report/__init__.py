"""Pages that stand by themselves: one HTML file with its curves, pictures and sounds inside."""
