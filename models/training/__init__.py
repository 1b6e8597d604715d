"""The training spine: plan, schedule, evaluation, checkpoint, resume."""
