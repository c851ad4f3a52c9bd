"""Pages that show runs and verdicts, and the workbench where drafts are repaired."""
