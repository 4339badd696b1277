"""A stand-in ticketing platform for the demo, the tests and the benchmarks.

From a minute's number to what others see of it:

``keyed`` → ``transactions``, ``features``, ``clients``, ``events``, ``conditions``, ``demand`` (what happens)
→ ``source`` (a minute without incidents; ``preset`` is another source) → ``episodes`` (incidents on top)
→ ``world`` (any instant) → ``recorder`` and ``copying`` (PostgreSQL), ``redis_state`` (Redis), ``web`` (services).

``history`` and ``bulk`` fill the past, ``live`` keeps up with the present, ``__main__`` is the program.
"""
