"""What it says where the extra `simulator` is not installed."""

import subprocess
import sys
from pathlib import Path


def test_a_plain_install_is_told_which_extra_is_missing() -> None:
    command = [sys.executable, "-S", "-m", "simulator"]  # without site-packages, so without numpy
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "python -m simulator: needs numpy: pip install -e '.[simulator]'\n"
