"""A client that knows the protocol and nothing of this project; its commands are those of an installed one.

    python -m tests.foreign.client --config-file FILE COMMAND …

Results are YAML on stdout. Exit statuses: 0 done; 3 an error in one line; 1 what a traceback would give.
"""

import argparse
import asyncio
import configparser
import http.client
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml

from tests.foreign.packages import BINARIES, binary_package, binary_packages, fields, source_package, upload
from tests.foreign.reading import RELATION, WORK_REQUEST, Json, read, read_page
from tests.foreign.transport import Problem, Transport, Unexpected, describe

HEARTBEAT, RECONNECT = 60.0, (1.0, 6.0)
SHOWN = (
    "id", "url", "created_at", "started_at", "completed_at", "duration", "status", "result", "worker", "task_type",
    "task_name", "task_data", "dynamic_task_data", "priority_base", "priority_adjustment",
)  # fmt: skip
ARTIFACT_SHOWN = (
    "id", "url", "workspace", "category", "created_at", "data", "download_tar_gz_url", "files_to_upload", "expire_at",
    "files",
)  # fmt: skip

Options = argparse.Namespace


def show(value: object) -> None:
    """Print a result."""
    yaml.safe_dump(value, sys.stdout, sort_keys=False)


def given(path: str | None) -> Any:
    """YAML from a file or from stdin; what came from stdin is parted from the result by a line."""
    if path is None:
        return {}
    if path == "-":
        value = yaml.safe_load(sys.stdin)
        print("---")
        return value or {}
    return yaml.safe_load(Path(path).read_text()) or {}


def make(transport: Transport, options: Options, category: str, content: tuple[Json, dict[str, Path]]) -> Json:
    """Create an artifact and send its files."""
    data, files = content
    value = {
        "category": category,
        "files": {name: describe(path) for name, path in files.items()},
        "data": data,
        "work_request": None,
        "expire_at": options.expire_at,
    }
    if options.workspace:
        value["workspace"] = options.workspace
    return transport.create_artifact(value, files)


def create_artifact(transport: Transport, options: Options) -> int:
    """``create-artifact``."""
    base = Path(options.upload_base_directory or ".")
    files = {name: base / name for name in options.upload or []}
    try:
        made = make(transport, options, options.category, (given(options.data), files))
    except Problem as problem:
        show({"result": "failure", "error": problem.problem})
        return 0
    show(
        {
            "result": "success",
            "message": f"New artifact created: {made['url']}",
            "artifact_id": made["id"],
            "files_to_upload": len(made["files_to_upload"]),
            "expire_at": made.get("expire_at"),
        }
    )
    return 0


def import_debian_artifact(transport: Transport, options: Options) -> int:
    """``import-debian-artifact``: the upload first, then what is in it, then how they relate."""
    path = Path(options.upload)
    try:
        made = [make(transport, options, category, content) for category, content in contents(path)]
        first, *others = [artifact["id"] for artifact in made]
        for kind in ("extends", "relates-to"):
            for other in others:
                transport.relate(first, other, kind)
    except Problem as problem:
        show({"result": "failure", "error": problem.problem})
        return 3
    related = [{"artifact_id": other} for other in others]
    result = {"result": "success", "message": f"New artifact created: {made[0]['url']}", "artifact_id": first}
    show({**result, **({"extends": related, "relates_to": related} if related else {})})
    return 0


def contents(path: Path) -> list[tuple[str, tuple[Json, dict[str, Path]]]]:
    """The artifacts that a file becomes."""
    if path.suffix == ".dsc":
        return [("debian:source-package", source_package(path))]
    if path.name.endswith(BINARIES):
        return [("debian:binary-package", binary_package(path))]
    data, files = upload(path)
    found: list[tuple[str, tuple[Json, dict[str, Path]]]] = [("debian:upload", (data, files))]
    for word in fields(path.read_text())["Architecture"].split():
        if word == "source":
            (dsc,) = [file for name, file in files.items() if name.endswith(".dsc")]
            found.append(("debian:source-package", source_package(dsc)))
            continue
        debs = [file for name, file in files.items() if name.endswith(tuple(f"_{word}{end}" for end in BINARIES))]
        found += [("debian:binary-package", binary_package(deb)) for deb in debs]
        found.append(("debian:binary-packages", binary_packages(debs, word)))
    return found


def show_artifact(transport: Transport, options: Options) -> int:
    """``show-artifact``."""
    show(_artifact(transport, options.id))
    return 0


def _artifact(transport: Transport, number: int) -> Json:
    artifact = transport.artifact(number)
    return {key: artifact.get(key) for key in ARTIFACT_SHOWN}


def show_artifact_relations(transport: Transport, options: Options) -> int:
    """``show-artifact-relations``."""
    key = "target_artifact" if options.reverse else "artifact"
    found = transport.call("GET", f"artifact-relation/?{key}={options.id}", expect=[200])
    show([{key: read(each, RELATION)[key] for key in ("artifact", "target", "type", "id")} for each in found])
    return 0


def download_artifact(transport: Transport, options: Options) -> int:
    """``download-artifact``."""
    for name in transport.download(options.id, Path(options.target_directory), tarball=options.tarball):
        print(name)
    return 0


def create_work_request(transport: Transport, options: Options) -> int:
    """``create-work-request``."""
    value = {"task_name": options.task, "task_data": given(options.data or "-"),
             "event_reactions": given(options.event_reactions)}  # fmt: skip
    if options.workspace:
        value["workspace"] = options.workspace
    try:
        made = read(transport.call("POST", "work-request/", value, expect=[200]), WORK_REQUEST)
    except Problem as problem:
        show({"result": "failure", "error": problem.problem})
        return 0
    show({"result": "success", "message": f"Work request registered: {made['url']}", "work_request_id": made["id"]})
    return 0


def list_work_requests(transport: Transport, options: Options) -> int:
    """``list-work-requests``: page after page, until there are enough."""
    results: list[Json] = []
    following: str | None = "work-request/"
    while following is not None and len(results) < options.limit:
        page = read_page(transport.call("GET", following, expect=[200]))
        results += page["results"]
        following = page.get("next")
    show({"results": results[: options.limit]})
    return 0


def show_work_request(transport: Transport, options: Options) -> int:
    """``show-work-request``, each of its artifacts included."""
    found = read(transport.call("GET", f"work-request/{options.id}/", expect=[200]), WORK_REQUEST)
    artifacts = [_artifact(transport, number) for number in found["artifacts"]]
    show({**{key: found.get(key) for key in SHOWN}, "artifacts": artifacts, "workspace": found["workspace"]})
    return 0


def manage_work_request(transport: Transport, options: Options) -> int:
    """``manage-work-request``."""
    value = {"priority_adjustment": options.set_priority_adjustment}
    read(transport.call("PATCH", f"work-request/{options.id}/", value, expect=[200]), WORK_REQUEST)
    return 0


def retry_work_request(transport: Transport, options: Options) -> int:
    """``retry-work-request``; a script wants to know the new id, so it goes to stderr."""
    new = read(transport.call("POST", f"work-request/{options.id}/retry/", {}, expect=[200]), WORK_REQUEST)
    print(new["id"], file=sys.stderr)
    return 0


def abort_work_request(transport: Transport, options: Options) -> int:
    """``abort-work-request``."""
    read(transport.call("POST", f"work-request/{options.id}/abort/", {}, expect=[200]), WORK_REQUEST)
    return 0


def on_work_request_completed(transport: Transport, options: Options) -> int:
    """``on-work-request-completed``: until the server closes the socket."""
    return asyncio.run(_watch(transport, options))


async def _watch(transport: Transport, options: Options) -> int:
    last = Path(options.last_completed_at) if options.last_completed_at else None
    query = [f"workspaces={','.join(options.workspace)}"] if options.workspace else []
    if last is not None and last.exists():
        since = json.loads(last.read_text()).get("last_completed_at")
        query += [f"completed_at_since={quote(since)}"] if since else []
    url = transport.api_url.replace("http", "ws", 1) + "/ws/1.0/work-request/on-completed/"
    url += f"?{'&'.join(query)}" if query else ""
    while True:
        try:
            async with aiohttp.ClientSession() as session:
                headers = {"Token": transport.token or ""}
                heartbeat = HEARTBEAT * transport.scale
                async with session.ws_connect(url, headers=headers, heartbeat=heartbeat) as socket:
                    async for message in socket:
                        _dispatch(json.loads(message.data), options, last)
            return 0  # an orderly close
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(random.uniform(*RECONNECT) * transport.scale)


def _dispatch(message: Json, options: Options, last: Path | None) -> None:
    if message.get("text") == "connected":
        print("Connected!", file=sys.stderr, flush=True)
    elif message.get("text") == "work_request_completed":
        subprocess.run([options.command, *options.argument, str(message["work_request_id"]), message["result"]])
        if last is not None:
            last.write_text(json.dumps({"last_completed_at": message["completed_at"]}))
    elif "reason" in message:
        print("Disconnected. Reason:", message["reason"], file=sys.stderr, flush=True)


COMMANDS: dict[str, Callable[[Transport, Options], int]] = {
    command.__name__.replace("_", "-"): command
    for command in (
        create_artifact, import_debian_artifact, show_artifact, show_artifact_relations, download_artifact,
        create_work_request, list_work_requests, show_work_request, manage_work_request, retry_work_request,
        abort_work_request, on_work_request_completed,
    )
}  # fmt: skip


ID: list[tuple[str, Json]] = [("id", {"type": int})]
WHERE: list[tuple[str, Json]] = [("--workspace", {}), ("--expire-at", {})]
#: Command → its arguments and options.
ARGUMENTS: dict[str, list[tuple[str, Json]]] = {
    "create-artifact": [
        ("category", {}), *WHERE, ("--data", {}), ("--upload", {"nargs": "*"}), ("--upload-base-directory", {}),
    ],
    "import-debian-artifact": [("upload", {}), *WHERE],
    "show-artifact": ID,
    "show-artifact-relations": [*ID, ("--reverse", {"action": "store_true"})],
    "download-artifact": [*ID, ("--target-directory", {"default": "."}), ("--tarball", {"action": "store_true"})],
    "create-work-request": [("task", {}), ("--workspace", {}), ("--data", {}), ("--event-reactions", {})],
    "list-work-requests": [("--limit", {"type": int, "default": 20})],
    "show-work-request": ID,
    "manage-work-request": [*ID, ("--set-priority-adjustment", {"type": int, "required": True})],
    "retry-work-request": ID,
    "abort-work-request": ID,
    "on-work-request-completed": [
        ("command", {}), ("argument", {"nargs": "*"}), ("--workspace", {"nargs": "*"}), ("--last-completed-at", {}),
    ],
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser()
    whole.add_argument("--config-file", required=True)
    whole.add_argument("--scope")
    whole.add_argument("--scale", type=float, default=1.0)
    commands = whole.add_subparsers(dest="name", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name)
        for argument, facts in ARGUMENTS[name]:
            command.add_argument(argument, **facts)
    return whole


def configured(options: Options) -> Transport:
    """The server by the configuration; no other keys than three are allowed."""
    configuration = configparser.ConfigParser()
    configuration.read(options.config_file)
    server = configuration[f"server:{configuration['General']['default-server']}"]
    if set(server) != {"api-url", "scope", "token"}:
        print("Invalid configuration", file=sys.stderr)
        sys.exit(3)
    return Transport(server["api-url"], server["token"], options.scope or server["scope"], options.scale)


def main() -> None:
    """Do one thing."""
    options = parser().parse_args()
    try:
        sys.exit(COMMANDS[options.name](configured(options), options))
    except (Unexpected, OSError, http.client.HTTPException) as error:
        print(error, file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
