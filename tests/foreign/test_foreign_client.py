"""A client that knows the protocol alone: every command, every way of a file."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.debian_packages import SourcePackage
from tests.e2e.farm import eventually
from tests.foreign.processes import ForeignClient
from tests.wire.api import Api
from tests.wire.raw import PATIENCE
from tests.wire.server import Server, new_name
from tests.wire.workers import connected

#: A client does not see which database there is.
DATABASES = ("sqlite",)

pytestmark = pytest.mark.e2e

MiB = 1 << 20


def test_an_artifact_is_made_shown_and_downloaded(client: ForeignClient, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    files = {"a b+é.txt": b"one", "sub/b.md": b"two" + os.urandom(9)}
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    made = client.create(source, *files, **{"expire-at": "2040-01-02T03:04:05+00:00"})
    assert list(made) == ["result", "message", "artifact_id", "files_to_upload", "expire_at"]
    shown = client.run("show-artifact", made["artifact_id"]).yaml()
    target.mkdir()
    said = client.run("download-artifact", made["artifact_id"], "--target-directory", target).out
    assert shown["files_to_upload"] == []
    assert shown["files"]["sub/b.md"]["content_type"] == "text/markdown; charset=utf-8"
    assert len(said.splitlines()) == 2
    assert {name: (target / name).read_bytes() for name in files} == files


def test_the_way_of_a_download_goes_by_the_sizes(client: ForeignClient, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "large").write_bytes(bytes(21 * MiB))
    (source / "small").write_bytes(os.urandom(100))
    for names in ([], ["small"], ["large"], ["large", "small"]):
        number = client.create(source, *names)["artifact_id"]
        target = tmp_path / f"target-{number}"
        target.mkdir()
        assert client.run("download-artifact", number, "--target-directory", target).status == 0
        assert {path.name for path in target.iterdir()} == set(names)
        assert all((target / name).read_bytes() == (source / name).read_bytes() for name in names)


def test_a_tarball_is_kept_as_it_is(client: ForeignClient, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"content")
    number = client.create(tmp_path, "small")["artifact_id"]
    said = client.run("download-artifact", number, "--tarball", "--target-directory", tmp_path).out
    assert said == f"artifact-{number}.tar.gz\n"
    with tarfile.open(tmp_path / said.strip()) as archive:
        assert archive.getnames() == ["small"]


def test_a_source_package_and_an_upload_are_imported(client: ForeignClient, tmp_path: Path) -> None:
    source = SourcePackage(name=new_name())
    dsc = source.write(tmp_path)
    alone = client.run("import-debian-artifact", dsc).yaml()
    assert list(alone) == ["result", "message", "artifact_id"]
    changes = tmp_path / f"{source.name}_{source.version}_source.changes"
    listed = [path for path in tmp_path.iterdir() if path.suffix in {".dsc", ".xz"}]
    changes.write_text(changes_file(source, listed))
    made = client.run("import-debian-artifact", changes).yaml()
    assert list(made) == ["result", "message", "artifact_id", "extends", "relates_to"]
    relations = client.run("show-artifact-relations", made["artifact_id"]).yaml()
    (package,) = [each["artifact_id"] for each in made["extends"]]
    assert [(each["target"], each["type"]) for each in relations] == [(package, "extends"), (package, "relates-to")]
    back = client.run("show-artifact-relations", package, "--reverse").yaml()
    assert back == relations
    shown = client.run("show-artifact", package).yaml()
    assert (shown["category"], shown["files_to_upload"]) == ("debian:source-package", [])
    assert shown["data"]["name"] == source.name


def changes_file(source: SourcePackage, listed: list[Path]) -> str:
    """A .changes of a source alone."""
    rows = "".join(f"\n {'0' * 32} {path.stat().st_size} misc optional {path.name}" for path in listed)
    return (
        f"Format: 1.8\nSource: {source.name}\nArchitecture: source\nVersion: {source.version}\n"
        f"Distribution: unstable\nFiles:{rows}\n"
    )


def test_what_is_refused_is_a_failure_in_yaml(client: ForeignClient) -> None:
    for words in (["create-work-request", "brew"], ["create-artifact", "debian:nothing"]):
        refused = client.run(*words).yaml()
        assert refused["result"] == "failure"
        assert refused["error"]["title"]


def test_a_list_is_followed_to_its_limit(client: ForeignClient) -> None:
    made = [client.run("create-work-request", "noop").yaml()["work_request_id"] for _ in range(25)]
    assert [each["id"] for each in client.run("list-work-requests").yaml()["results"]] == made[:4:-1]
    longer = client.run("list-work-requests", "--limit", 25).yaml()["results"]
    assert [each["id"] for each in longer] == made[::-1]


def test_a_work_request_is_managed_aborted_and_retried(client: ForeignClient, capsys: Any) -> None:
    number = client.run("create-work-request", "noop", given={"result": False}).yaml()["work_request_id"]
    assert client.run("manage-work-request", number, "--set-priority-adjustment", -7).status == 0
    assert client.run("show-work-request", number).yaml()["priority_adjustment"] == -7
    assert client.run("abort-work-request", number).status == 0
    aborted = client.run("show-work-request", number).yaml()
    assert (aborted["status"], aborted["result"], aborted["worker"]) == ("aborted", "", None)
    capsys.readouterr()
    assert client.run("retry-work-request", number).status == 0
    again = client.run("show-work-request", int(capsys.readouterr().err)).yaml()
    assert (again["status"], again["task_data"], again["priority_adjustment"]) == ("pending", {"result": False}, -7)


def test_completions_run_a_command_and_those_missed_run_it_later(
    server: Server, api: Api, client: ForeignClient, tmp_path: Path
) -> None:
    heard, last = tmp_path / "heard", tmp_path / "last"
    script = tmp_path / "note"
    script.write_text(f'#!/bin/sh\necho "$@" >> {heard}\n')
    script.chmod(0o755)
    words = ["on-work-request-completed", "--last-completed-at", last, "--", script, "note"]

    def lines() -> list[str]:
        return heard.read_text().splitlines() if heard.exists() else []

    with connected(api.by(server.worker_key())) as worker:

        def done(result: str) -> str:
            number = api.submit()["id"]
            worker.get(number)
            assert worker.complete(number, result).empty(200)
            return f"note {number} {result}"

        watcher = client.start(*words)
        assert watcher.stderr is not None
        assert watcher.stderr.readline() == b"Connected!\n"
        expected = [done("success"), done("failure")]
        eventually("both are heard", lambda: (lines() == expected and last.exists()) or None, PATIENCE)
        eventually(
            "the last is kept", lambda: json.loads(last.read_text()) == moment(api, expected[1]) or None, PATIENCE
        )
        watcher.kill()
        watcher.communicate()
        expected += [done("error"), done("success")]
        watcher = client.start(*words)
        eventually("all are heard", lambda: lines() == expected or None, PATIENCE)
        watcher.kill()
        watcher.communicate()


def moment(api: Api, line: str) -> dict[str, str]:
    """What a watcher keeps of an end."""
    return {"last_completed_at": api.work_request(int(line.split()[1]))["completed_at"]}


def test_a_watcher_that_is_refused_ends_in_order(client: ForeignClient) -> None:
    refused = client.start("on-work-request-completed", "--workspace", "nowhere", "--", "true")
    _, said = refused.communicate(timeout=PATIENCE)
    assert b"Disconnected. Reason:" in said
    assert refused.returncode == 0
