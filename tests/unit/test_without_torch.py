"""What does not need PyTorch does not import it, and what needs it says so."""

import subprocess
import sys


def test_nothing_else_imports_pytorch():
    code = "import sys, coded_dgd.engine.serve, coded_dgd.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_pytorch_the_extra_is_named():
    code = "import sys; sys.modules['torch'] = None; import coded_dgd.torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'coded-dgd[torch]'" in done.stderr.splitlines()[-1]
