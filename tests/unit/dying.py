"""A process that is killed at a line of one's choice."""

import os
import signal
import sys


def dies_at_line(number, where, action, functions=None):
    """Do something in a child process that kills itself at the n-th line; return whether it did.

    Lines of the modules `where` count, in all of their functions or in those of these names and
    what they call.
    """
    child = os.fork()
    if not child:
        files = {module.__file__ for module in where}
        lines = iter(range(number))
        inside = []

        def trace(frame, event, _):
            if frame.f_code.co_filename not in files:
                return None
            if functions is None or frame.f_code.co_name in functions or inside:
                inside.append(frame) if event == "call" else None
                if event == "line" and next(lines, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                if event == "return":
                    inside.pop()
                return trace
            return None

        sys.settrace(trace)
        action()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
