"""Models by name, and their opening, with conversion of foreign ones.

====================  ===============================================================
`library`             models by name
`opening`             the file that plays, for a file that was named
`conversion_process`  conversion of a foreign model by the studio, in a child process
====================  ===============================================================
"""

__all__ = ["conversion_process", "library", "opening"]
