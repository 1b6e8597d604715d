"""The session file: everything that comes back after a restart.

================  ========================================================
`document`        its contents as dataclasses, to JSON and back
`file_io`         reading it, and replacing it as a whole
`model_search`    finding a deck's model again
`stored_session`  restoring a session from it, and collecting its contents
`autosave`        the thread that keeps it up to date
================  ========================================================
"""

__all__ = ["autosave", "document", "file_io", "model_search", "stored_session"]
