"""The whole pipeline on this machine by one command: `python -m simulator.demo` (or `make demo`)."""
