"""URLs in answers: absolute, percent-encoded, and by the word of those who may say where they came from."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from debusine.config import Settings
from debusine.domain.errors import Invalid
from debusine.server.keys import SETTINGS
from debusine.server.urls import Urls, urls
from tests.farm import Farm


async def test_paths_are_encoded_and_slashes_kept() -> None:
    known = Urls("https://farm.example.org", "debusine")

    assert known.file("System", 7, "a dir/b+ü?#%.txt") == (
        "https://farm.example.org/debusine/System/artifact/7/download/a%20dir/b%2B%C3%BC%3F%23%25.txt"
    )
    assert known.api("work-request/", cursor="a=b", page_size=5) == (
        "https://farm.example.org/api/1.0/work-request/?cursor=a%3Db&page_size=5"
    )


async def test_the_host_of_the_request_is_used(farm: Farm) -> None:
    answer = await farm.post("/api/1.0/work-request/", {"task_name": "noop"}, headers={"Host": "farm.example:81"})

    assert answer.json()["url"] == "http://farm.example:81/debusine/System/work-request/1/"


@pytest.mark.parametrize("host", ["a b", "a/b", "evil.example/x?", "<script>", "u@h", "h:99999", "[1.2.3]"])
async def test_a_host_that_could_not_stand_in_a_url_is_refused(farm: Farm, host: str) -> None:
    answer = await farm.post("/api/1.0/work-request/", {"task_name": "noop"}, headers={"Host": host})

    assert answer.status == 400


FORWARDED = {"Host": "inner:8000", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "farm.example.org"}


@pytest.mark.parametrize(
    ("change", "base"),
    [
        ({}, "http://inner:8000"),
        ({"trusted_proxies": ("10.0.0.0/8",)}, "http://inner:8000"),
        ({"trusted_proxies": ("127.0.0.1",)}, "https://farm.example.org"),
        ({"public_url": "https://p.example/", "trusted_proxies": ("127.0.0.1",)}, "https://p.example"),
    ],
)
def test_only_trusted_proxies_say_where_it_came_from(change: dict[str, Any], base: str, tmp_path: Path) -> None:
    assert urls(request_to(Settings(data_dir=tmp_path, **change), FORWARDED)).base == base


def test_a_forwarded_host_is_checked_as_well(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, trusted_proxies=("127.0.0.1",))

    with pytest.raises(Invalid, match="Host"):
        urls(request_to(settings, FORWARDED | {"X-Forwarded-Host": "evil/x"}))


def request_to(settings: Settings, headers: dict[str, str]) -> web.Request:
    """A request from this machine to an application with these settings."""
    app = web.Application()
    app[SETTINGS] = settings
    transport = Mock()
    transport.get_extra_info = {"peername": ("127.0.0.1", 5)}.get
    return make_mocked_request("GET", "/", headers, app=app, transport=transport)
