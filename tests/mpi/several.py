"""Several command lines one after the other in one job: starting one takes longer than most runs.

The argument is a JSON file of argument lists. Beside it ``several.jsonl`` gets a line for each:
exit code, stdout, stderr.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from coded_dgd.engine.transports.mpi.library import world
from coded_dgd.host.leaving import leave

path = Path(sys.argv[1])
lines = json.loads(path.read_text(encoding="utf-8"))
hard = False
if world().rank > 0:
    from coded_dgd.engine.serve import serve
    from coded_dgd.engine.transports.mpi.worker import MPIWorker

    for _ in lines:
        hard = serve(MPIWorker(world()))
else:
    from coded_dgd.__main__ import exit_code
    from coded_dgd.engine.transports.mpi.master import master

    with path.with_name("several.jsonl").open("w", encoding="utf-8") as results:
        for line in lines:
            with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
                code = exit_code(line, launched=True)
            master().stop_or_abort(code)
            hard = master().hard
            master.cache_clear()
            print(json.dumps([code, out.getvalue(), err.getvalue()]), file=results, flush=True)
if hard:
    leave(0)
