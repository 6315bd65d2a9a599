"""``coded-dgd run`` on ranks that may not have more than LIMIT bytes of memory of their own each.

Mapped files do not count.
"""

import os
import resource
import sys

from coded_dgd.__main__ import main

limit = int(os.environ["LIMIT"])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
main(["run", *sys.argv[1:]])
