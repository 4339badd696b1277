"""Random numbers keyed by (seed, stream, tick), so that any tick reproduces alone and in any order."""

from zlib import crc32

import numpy as np


def generator(seed: int, stream: str, tick: int) -> np.random.Generator:
    """Return the generator of one tick of one stream.

    Philox is counter-based: generators with different keys are independent, however close the keys are.

    Args:
        seed: of the whole simulation; its low 32 bits count.
        stream: what the numbers are for, such as ``"predictions"``.
        tick: minutes since the epoch, or any other index of 64 bits.
    """
    high = (seed & 0xFFFFFFFF) << 32 | crc32(stream.encode())
    return np.random.Generator(np.random.Philox(key=np.array([high, tick], dtype=np.uint64)))
