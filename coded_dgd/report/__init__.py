"""What a person sees of a run: tables, progress, timeline, plots, HTML page."""
