"""What a run leaves behind: the JSON object, the table, the run folder, progress."""
