"""The whole pipeline on this machine by one command: `python -m demo` (or `make demo`)."""
