"""This package prints scripts for ``coded-dgd run`` in batch jobs, or on hosts over ssh."""
