"""What a cache may stand in front of."""

from pathlib import Path
from typing import Any

import pytest
from debusine_filestore_cache.backend import CacheFileStore, CacheOptions

from debusine.plugin import ConfigurationError, FileStoreBackend
from debusine.plugin.options import structure_options
from debusine.testing import MemoryFileStore


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"store": "a", "directory": "cache", "max_bytes": 1}, "must be an absolute path"),
        ({"store": "a", "directory": "/cache", "max_bytes": 0}, "must be more than 0"),
    ],
)
def test_wrong_options_are_told_of(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        structure_options(CacheFileStore, options, where="stores.Default.options")


def cache_of(store: str, directory: Path = Path("/nowhere")) -> CacheFileStore:
    return CacheFileStore(CacheOptions(store=store, directory=directory, max_bytes=1))


def test_what_cannot_be_stood_in_front_of_is_one_sentence() -> None:
    cache, second, itself = cache_of("b"), cache_of("a"), cache_of("c")
    memory = MemoryFileStore()

    with pytest.raises(ConfigurationError, match=r"'b', which the configuration does not have; .* one of: memory\.$"):
        cache.bind({"a": cache, "memory": memory})
    with pytest.raises(ConfigurationError, match=r"'a' stands in front of itself \(a -> b -> a\); set its option"):
        cache.bind({"a": cache, "b": second, "memory": memory})
    with pytest.raises(ConfigurationError, match=r"'c' stands in front of itself \(c -> c\)"):
        itself.bind({"c": itself})


def test_a_circle_behind_it_is_for_others_to_tell() -> None:
    cache, one, other = cache_of("b"), cache_of("c"), cache_of("b")

    with pytest.raises(ConfigurationError, match=r"'b' stands in front of itself \(b -> c -> b\)"):
        cache.bind({"a": cache, "b": one, "c": other})


def test_it_takes_what_the_last_store_behind_it_takes_in_whatever_order_they_meet() -> None:
    class Particular(MemoryFileStore):
        takes_parts = takes_content = True
        smallest_part, largest_part, most_parts = 1, 2, 3

    stores: dict[str, FileStoreBackend[Any]] = {
        "first": cache_of("second"),
        "second": cache_of("third"),
        "third": Particular(),
    }

    stores["first"].bind(stores)
    first = stores["first"]

    assert (first.takes_parts, first.takes_content) == (True, True)
    assert (first.smallest_part, first.largest_part, first.most_parts) == (1, 2, 3)
