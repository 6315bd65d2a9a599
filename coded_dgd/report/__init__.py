"""This package shows a run to a person: tables, progress, timeline, plots and an HTML page."""
