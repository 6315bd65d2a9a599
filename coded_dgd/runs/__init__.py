"""Run folders: written, locked, read, resumed, followed."""
