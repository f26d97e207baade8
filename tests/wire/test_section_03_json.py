"""§3: the types of what is answered, as strict clients read them."""

import re
from datetime import datetime
from typing import Any

import pytest

from tests.wire.api import Api
from tests.wire.workers import HandWorker

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)

ABSOLUTE = re.compile(r"http://127\.0\.0\.1:\d+/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def test_moments_are_iso_8601_in_utc(user: Api) -> None:
    """§3 datetimes."""
    for moment in (user.declare({})["created_at"], user.submit()["created_at"]):
        assert INSTANT.fullmatch(moment)
        assert datetime.fromisoformat(moment).utcoffset() is not None


@pytest.mark.parametrize("path", ["a b.txt", "a+b", "é.txt", "100%.txt", "a#b?c", "sub dir/x&y=z", "[x]{y}^`|\\"])
def test_urls_are_absolute_and_percent_encoded(user: Api, path: str) -> None:
    """§3 AnyUrl: files.*.url, download_tar_gz_url."""
    content = path.encode()
    made = user.artifact({path: content})
    for url in (made["files"][path]["url"], made["download_tar_gz_url"]):
        assert ABSOLUTE.fullmatch(url), url
    assert user.get(made["files"][path]["url"].removeprefix(f"http://127.0.0.1:{user.address[1]}")).body == content


def test_pages_of_a_list_are_absolute_urls(user: Api) -> None:
    """§3 AnyUrl: next and previous."""
    user.submit()
    user.submit()
    first = user.get("work-request/?page_size=1").json()
    assert ABSOLUTE.fullmatch(first["next"])


def test_required_fields_have_their_types(user: Api, worker: HandWorker) -> None:
    """§3 plain types are never null; a result is a string."""
    work_request = user.submit()["id"]
    worker.get(work_request)
    assert worker.complete(work_request).empty(200)
    shown = user.work_request(work_request)
    types: dict[str, type[Any]] = {
        "id": int, "url": str, "created_at": str, "status": str, "result": str, "task_type": str, "task_name": str,
        "task_data": dict, "priority_base": int, "priority_adjustment": int, "artifacts": list, "workspace": str,
    }  # fmt: skip
    assert {name: type(shown[name]) for name in types} == types
    assert isinstance(shown["duration"], float)


def test_unknown_keys_of_a_request_are_refused(user: Api) -> None:
    """§3 what clients never send is a mistake, and is named."""
    problem = user.post("artifact/", {"category": "debusine:test", "data": {}, "colour": "red"}).problem(400)
    assert "colour" in str(problem["validation_errors"])
