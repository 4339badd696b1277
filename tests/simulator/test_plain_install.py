"""What the command says where the extra `simulator` is not installed."""

import subprocess
import sys
from pathlib import Path


def test_a_plain_install_is_told_which_extra_is_missing() -> None:
    # Without site-packages, so without numpy; imported as the installed command does it.
    command = [sys.executable, "-S", "-c", "from simulator.__main__ import main; main()"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "ticketing-simulator: needs numpy: pip install 'ticketing-monitor[simulator]'\n"
