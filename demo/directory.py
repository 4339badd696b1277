"""The directory of one run, in which everything is that the demo writes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "demo"

#: In the directory of a demo that is up: the addresses of its parts, as JSON.
RUNNING = "demo.json"

# The path of a Unix socket is limited to 107 bytes, and supervisord's is some longer than the directory's.
LONGEST_PATH = 70


@contextmanager
def run_directory() -> Iterator[Path]:
    """Make a directory of its own for this run, and remove it at the end.

    It is under .cache/demo, or in the system's temporary directory where that will not do.
    """
    parent: str | None = None
    if suits(CACHE):
        CACHE.mkdir(parents=True, exist_ok=True)
        parent = str(CACHE)
    directory = Path(tempfile.mkdtemp(prefix="ticketing-demo-" if parent is None else "", dir=parent))
    try:
        # Root runs PostgreSQL as another user, who must be able to reach its data.
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def suits(directory: Path) -> bool:
    """Whether run directories can be made under the directory, there or not."""
    if len(bytes(directory)) > LONGEST_PATH:
        return False
    existing = [parent for parent in (directory, *directory.parents) if parent.exists()]
    if not os.access(existing[0], os.W_OK):
        return False
    return os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in existing)
