"""Gzip streams: one block compressed after the other, and what cannot be compressed passed on as it is."""

import struct
import zlib

#: No time of modification, no name, an unknown system: the same files make the same stream.
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

#: The most that a stored block of the deflate format can hold.
STORED = 0xFFFF

#: Bytes by which a block is judged.
SAMPLE = 4096

#: Most of what is in artifacts is compressed already, and the rest is mostly text.
LEVEL = 1


class GzipStream:
    """The state of one stream; plain blocking functions, one call at a time."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._checksum = 0
        self._size = 0
        self._header = HEADER

    def add(self, block: bytes) -> bytes:
        """The next part of the stream, which may be empty."""
        self._checksum = zlib.crc32(block, self._checksum)
        self._size += len(block)
        return self._begin() + (self._deflate.compress(block) if _compressible(block) else self._store(block))

    def finish(self) -> bytes:
        """The end of the stream."""
        end = struct.pack("<LL", self._checksum, self._size & 0xFFFFFFFF)
        return self._begin() + self._deflate.flush() + end

    def _begin(self) -> bytes:
        header, self._header = self._header, b""
        return header

    def _store(self, block: bytes) -> bytes:
        # After a full flush the compressor stands on a whole byte and refers to nothing before it, so that foreign
        # blocks may follow. Deflating what is compressed already would take thirty times as long, for nothing.
        parts = [self._deflate.flush(zlib.Z_FULL_FLUSH)]
        for start in range(0, len(block), STORED):
            piece = block[start : start + STORED]
            parts += [struct.pack("<BHH", 0, len(piece), len(piece) ^ STORED), piece]
        return b"".join(parts)


def _compressible(block: bytes) -> bool:
    """Whether the middle of a block gets noticeably shorter."""
    middle = len(block) // 2
    sample = block[middle : middle + SAMPLE]
    return len(zlib.compress(sample, LEVEL)) < 0.95 * len(sample)
