"""``python -m coded_dgd.run``: the same as ``coded-dgd run``."""

import sys

from coded_dgd.__main__ import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
