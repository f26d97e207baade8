"""Answers as strict clients read them: required keys, their types, absolute URLs; unknown keys are let pass."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Json = dict[str, Any]
Check = Callable[[Any], bool]

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~:\[\]-]+(/[A-Za-z0-9._~!$&'()*+,;=:@%/?#\[\]-]*)?")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class DoesNotFit(Exception):
    """An answer is not what the client's models want."""

    def __init__(self, path: str, value: object) -> None:
        super().__init__(f"{path}: {value!r}")


def an_int(value: object) -> bool:
    return type(value) in {int, float} or (isinstance(value, str) and value.lstrip("-").isdigit())


def a_str(value: object) -> bool:
    return isinstance(value, str)


def an_object(value: object) -> bool:
    return isinstance(value, dict)


def a_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() is not None
    except ValueError:
        return False


def an_absolute_url(value: object) -> bool:
    return isinstance(value, str) and _URL.fullmatch(value) is not None and not _PERCENT.search(value)


def one_of(*words: str) -> Check:
    return lambda value: value in words


def a_list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


#: What must be there, and what may be absent or null.
Model = tuple[Mapping[str, Check], Mapping[str, Check]]

ARTIFACT: Model = (
    {
        "id": an_int, "url": a_str, "workspace": a_str, "category": a_str, "created_at": a_moment, "data": an_object,
        "download_tar_gz_url": an_absolute_url, "files_to_upload": a_list_of(a_str),
    },
    {"expire_at": a_moment, "files": an_object},
)  # fmt: skip
FILE: Model = (
    {"size": an_int, "checksums": an_object, "type": one_of("file"), "url": an_absolute_url},
    {"content_type": a_str},
)
RELATION: Model = (
    {"id": an_int, "artifact": an_int, "target": an_int, "type": one_of("extends", "relates-to", "built-using")},
    {},
)
WORK_REQUEST: Model = (
    {
        "id": an_int, "url": a_str, "created_at": a_moment, "task_name": a_str, "task_data": an_object,
        "status": one_of("pending", "running", "completed", "aborted", "blocked"),
        "result": one_of("", "success", "failure", "error", "skipped"),
        "task_type": one_of("Worker", "Server", "Internal", "Workflow", "Signing", "Wait"),
        "priority_base": an_int, "priority_adjustment": an_int, "artifacts": a_list_of(an_int), "workspace": a_str,
    },
    {
        "started_at": a_moment, "completed_at": a_moment, "duration": an_int, "worker": an_int, "created_by": an_int,
        "aborted_by": an_int, "dynamic_task_data": an_object, "workflow_data": an_object, "event_reactions": an_object,
        "scope": a_str,
    },
)  # fmt: skip
PAGE: Model = (
    {"results": a_list_of(an_object)},
    {"count": an_int, "next": an_absolute_url, "previous": an_absolute_url},
)


def read(value: object, model: Model, path: str = "") -> Json:
    """The value, if it fits; ``DoesNotFit`` names the first key that does not."""
    if not isinstance(value, dict):
        raise DoesNotFit(path, value)
    required, optional = model
    for key, check in required.items():
        if key not in value or not check(value[key]):
            raise DoesNotFit(f"{path}{key}", value.get(key))
    for key, check in optional.items():
        if value.get(key) is not None and not check(value[key]):
            raise DoesNotFit(f"{path}{key}", value[key])
    return value


def read_artifact(value: object) -> Json:
    """An artifact with its files."""
    artifact = read(value, ARTIFACT)
    for path, file in artifact.get("files", {}).items():
        read(file, FILE, f"files[{path}].")
        if not all(isinstance(checksum, str) and len(checksum) <= 255 for checksum in file["checksums"].values()):
            raise DoesNotFit(f"files[{path}].checksums", file["checksums"])
    return artifact


def read_page(value: object) -> Json:
    """A page of work requests."""
    page = read(value, PAGE)
    for result in page["results"]:
        read(result, WORK_REQUEST, "results.")
    return page
