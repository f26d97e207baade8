"""Processes die in the middle of things, and nothing that was acknowledged is lost or done twice."""

import hashlib
import http.client
import os
import threading
from pathlib import Path

import pytest

from tests.e2e.farm import Farm, eventually

pytestmark = pytest.mark.e2e

CHUNK = 8 << 20


def gate_of(farm: Farm) -> Path:
    gates = farm.public / "gates"
    gates.mkdir(exist_ok=True)
    gates.chmod(0o777)
    return gates / "gate"


def held_process(gate: Path, known: set[int] | None = None) -> int:
    """The process of the task that waits at a gate, other than those that are known."""

    def started() -> int | None:
        texts = (path.read_text() for path in gate.parent.glob("gate.*.pid"))
        return next((int(text) for text in texts if text and int(text) not in (known or set())), None)

    return eventually("the task runs", started)


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def files_made(farm: Farm, number: int) -> list[str]:
    found = farm.client("show-work-request", str(number))["artifacts"]
    return [path for artifact in found if artifact["category"] == "debusine:test" for path in artifact["files"]]


def test_a_build_survives_the_death_of_the_server_and_ends_once(farm: Farm) -> None:
    farm.start_worker(farm.make_worker("builder"))
    gate = gate_of(farm)
    number = farm.create_work_request("hold", {"gate": str(gate)})
    process = held_process(gate)
    farm.kill_server()
    farm.start_server()
    gate.touch()
    done = farm.wait_for(number, "completed")

    assert (done["result"], done["attempt"]) == ("success", 1)
    assert files_made(farm, number) == ["made.txt"]
    assert not alive(process)


def test_a_result_made_while_the_server_is_away_is_delivered_afterwards(farm: Farm) -> None:
    farm.start_worker(farm.make_worker("builder"))
    gate = gate_of(farm)
    number = farm.create_work_request("hold", {"gate": str(gate)})
    process = held_process(gate)
    farm.kill_server()
    gate.touch()
    eventually("the task has ended", lambda: not alive(process))
    farm.start_server()
    done = farm.wait_for(number, "completed")

    assert (done["result"], done["attempt"]) == ("success", 1)
    assert files_made(farm, number) == ["made.txt"]


def test_a_worker_that_dies_in_a_build_does_it_again_and_leaves_no_process_behind(farm: Farm) -> None:
    home = farm.make_worker("builder")
    worker = farm.start_worker(home)
    gate = gate_of(farm)
    number = farm.create_work_request("hold", {"gate": str(gate)})
    first = held_process(gate)
    worker.kill()
    farm.start_worker(home)
    held_process(gate, {first})
    gate.touch()
    done = farm.wait_for(number, "completed")

    assert (done["result"], done["attempt"]) == ("success", 2)
    assert files_made(farm, number) == ["made.txt"]
    assert not alive(first)


def test_everything_acknowledged_is_there_after_the_server_was_killed(farm: Farm) -> None:
    acknowledged: list[int] = []

    def create_until_it_dies() -> None:
        try:
            while True:
                acknowledged.append(farm.create_work_request("noop", {}))
        except (OSError, http.client.HTTPException):
            return

    callers = [threading.Thread(target=create_until_it_dies) for _ in range(8)]
    for caller in callers:
        caller.start()
    eventually("some are acknowledged", lambda: len(acknowledged) >= 100)
    farm.kill_server()
    for caller in callers:
        caller.join()
    farm.start_server()

    missing = [number for number in acknowledged if farm.work_request(number).get("id") != number]
    assert missing == []


def test_an_upload_resumes_at_its_offset_after_the_server_was_killed(farm: Farm) -> None:
    content = os.urandom(3 * CHUNK)
    artifact = declare(farm, content)
    path = f"/api/1.0/artifact/{artifact}/files/large.bin/"
    first = put(farm, path, content, 0, CHUNK)
    assert (first.status, first.getheader("Range")) == (200, f"bytes=0-{CHUNK}")
    broken_off = half_a_chunk(farm, path, content)
    farm.kill_server()
    broken_off.close()
    farm.start_server()

    probe = farm.request("PUT", path, headers={"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
    offset = int(probe.headers["Range"].rpartition("-")[2])
    assert probe.status == 206
    assert CHUNK <= offset < 2 * CHUNK
    assert put(farm, path, content, offset, len(content)).status == 201
    url = farm.request("GET", f"/api/1.0/artifact/{artifact}/").json()["files"]["large.bin"]["url"]
    assert farm.request("GET", "/" + url.split("/", 3)[3]).body == content


def test_the_client_gets_its_upload_through_the_death_of_the_server(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(os.urandom(120 << 20))
    results: list[dict[str, int]] = []
    words = ["create-artifact", "debusine:test", "--upload-base-directory", str(tmp_path), "--upload", "large.bin"]
    client = threading.Thread(target=lambda: results.append(farm.client(*words)))
    client.start()
    eventually("the upload has begun", lambda: any((farm.data / "uploads").glob("**/*")))
    farm.kill_server()
    farm.start_server()
    client.join()

    shown = farm.client("show-artifact", str(results[0]["artifact_id"]))
    assert shown["files_to_upload"] == []


def declare(farm: Farm, content: bytes) -> int:
    """Declare an artifact of one file."""
    file = {"size": len(content), "checksums": {"sha256": hashlib.sha256(content).hexdigest()}, "type": "file"}
    body = {"category": "debusine:test", "files": {"large.bin": file}, "data": {}}
    answer = farm.request("POST", "/api/1.0/artifact/", body)
    assert answer.status == 201, answer.body
    return int(answer.json()["id"])


def put(farm: Farm, path: str, content: bytes, start: int, stop: int) -> http.client.HTTPResponse:
    """Send a part of a file."""
    host, _, port = farm.listen.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    headers = {"Token": farm.key, "Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
    connection.request("PUT", path, body=content[start:stop], headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def half_a_chunk(farm: Farm, path: str, content: bytes) -> http.client.HTTPConnection:
    """Begin the second chunk and do not end it."""
    host, _, port = farm.listen.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.putrequest("PUT", path)
    connection.putheader("Token", farm.key)
    connection.putheader("Content-Range", f"bytes {CHUNK}-{2 * CHUNK - 1}/{len(content)}")
    connection.putheader("Content-Length", str(CHUNK))
    connection.endheaders()
    connection.send(content[CHUNK : CHUNK + CHUNK // 2])
    return connection
