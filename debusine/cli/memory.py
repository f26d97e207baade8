"""Memory that was let go of: the C library keeps it for later unless it is told not to."""

import ctypes

#: Numbers of glibc's ``mallopt``, from its ``malloc.h``.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8

#: Bytes; what is larger is taken from the system and given back at once. Left alone, glibc raises this limit to the
#: size of the largest block that it ever got back, and then keeps what a burst has left between objects that stay.
LARGE = 128 << 10
#: Bytes at the end of what is in use that are kept.
SPARE = 4 << 20
#: Of these, each keeps what was let go of for itself; else every thread would have one.
ARENAS = 2


def give_back_early() -> bool:
    """Have the C library give memory back; to be called before threads begin. False: this is another one than glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = {_ARENA_MAX: ARENAS, _MMAP_THRESHOLD: LARGE, _TRIM_THRESHOLD: SPARE}
    return {name for name, value in settings.items() if mallopt(name, value)} == settings.keys()
