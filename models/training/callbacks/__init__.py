"""Lightning callbacks that trainings share."""

__all__ = ["evaluation_history", "last_checkpoint", "progress_line"]
