"""The session: its parts and how they are built, commands, controls, recall, session file, status."""
