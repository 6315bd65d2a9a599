"""An observer of runs for tests."""

from coded_dgd.engine.observer import Observer


class Recorder(Observer):
    """Keeps the warnings of a run; calls `on_iteration` with each record."""

    def __init__(self, on_iteration=lambda _: None):
        self.lines, self.details = [], []
        self.iteration = on_iteration

    def warning(self, line, details=""):
        self.lines.append(line)
        self.details.append(details)
