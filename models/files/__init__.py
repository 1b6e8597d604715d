"""Files: written whole or not at all, and sound files of any length, read and written block by block."""
