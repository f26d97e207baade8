"""A gzip stream holds exactly what was put in, whether it could be compressed or not."""

import gzip
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from debusine.services.gzip_streams import GzipStream

NOISE = random.Random(1).randbytes(300_000)
TEXT = b"All work and no play makes Jack a dull boy.\n" * 7_000


def stream_of(*blocks: bytes) -> bytes:
    stream = GzipStream()
    return b"".join([*(stream.add(block) for block in blocks), stream.finish()])


@pytest.mark.parametrize(
    "blocks",
    [
        [TEXT],
        [NOISE],
        [TEXT, NOISE, TEXT, NOISE, NOISE, TEXT],
        [NOISE, TEXT[:100], NOISE[:1]],
        [NOISE[:0xFFFF]],
        [NOISE[:0x10000]],
        [TEXT, TEXT],
        [b"x"],
        [b"", TEXT],
        [],
    ],
)
def test_what_went_in_comes_out(blocks: list[bytes]) -> None:
    assert gzip.decompress(stream_of(*blocks)) == b"".join(blocks)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.binary(min_size=1), st.integers(1, 200_000).map(lambda size: NOISE[:size]))))
def test_any_mixture_of_blocks_comes_out_as_one_member(blocks: list[bytes]) -> None:
    stream = stream_of(*blocks, TEXT)

    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(stream) == b"".join(blocks) + TEXT
    assert (reader.eof, reader.unused_data) == (True, b"")


def test_text_gets_shorter_and_noise_hardly_longer() -> None:
    assert len(stream_of(TEXT)) < len(TEXT) / 20
    assert len(stream_of(NOISE)) < len(NOISE) + 100
