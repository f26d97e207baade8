"""§5: files are sent, probed, resumed."""

import hashlib
import os
import re
import socket

import pytest

from tests.wire.api import Api, file_path
from tests.wire.raw import exchange, read_answer, request_bytes
from tests.wire.server import Server, new_name

#: As clients read it.
RECEIVED = re.compile(r"bytes=(\d+)-(\d+)")


def test_a_probe_of_a_new_file_says_that_nothing_is_here(user: Api) -> None:
    """§5 (a) 206 + Range: bytes=0-0, a body of no bytes."""
    made = user.declare({"a": b"12345678"[: os.urandom(1)[0] % 8 + 1] + os.urandom(8)})
    answer = user.probe(made["id"], "a", made["files"]["a"]["size"])
    assert answer.empty(206)
    assert answer.header("Range") == "bytes=0-0"
    assert answer.all("Content-Range") == []


def test_a_probe_need_not_know_the_size(user: Api) -> None:
    """§5 (a) bytes */*."""
    made = user.declare({"a": os.urandom(9)})
    assert user.probe(made["id"], "a", "*").header("Range") == "bytes=0-0"


def test_a_probe_counts_the_bytes_that_are_here(user: Api) -> None:
    """§5 (a) 206: Range ends with the number of bytes, which is the next offset."""
    content = os.urandom(10)
    made = user.declare({"a": content})
    user.upload(made["id"], "a", content[:4], 0, 10)
    answer = user.probe(made["id"], "a", 10)
    assert answer.empty(206)
    match = RECEIVED.fullmatch(answer.header("Range"))
    assert match is not None
    assert match[2] == "4"


def test_a_probe_of_a_complete_file(user: Api) -> None:
    """§5 (a) 200, empty; §20 probe of a complete file: 200."""
    content = os.urandom(10)
    made = user.artifact({"a": content})
    assert user.probe(made["id"], "a", 10).empty(200)


def test_a_probe_with_another_size(user: Api) -> None:
    """§5 (a) 400: the size differs from the artifact's."""
    made = user.declare({"a": os.urandom(10)})
    assert user.probe(made["id"], "a", 11).problem(400)


@pytest.mark.parametrize("path", ["b", "a/b", "a%20"])
def test_a_probe_of_a_path_that_is_not_there(user: Api, path: str) -> None:
    """§5 (a) 404: no such path."""
    made = user.declare({"a": os.urandom(10)})
    assert user.ask("PUT", f"artifact/{made['id']}/files/{path}/", b"", {"Content-Range": "bytes */10"}).problem(404)


def test_a_probe_of_an_artifact_that_is_not_there(user: Api) -> None:
    """§5 (a) 404: no such artifact."""
    assert user.probe(999_999_999, "a", 10).problem(404)


def test_chunks_are_answered_by_how_far_the_file_is(user: Api) -> None:
    """§5 (b) 200 + Range: bytes=0-N for more, 201 with no body at the end."""
    content = os.urandom(30)
    made = user.declare({"a": content})
    first = user.upload(made["id"], "a", content[:10], 0, 30)
    assert first.empty(200)
    assert first.header("Range") == "bytes=0-10"
    second = user.upload(made["id"], "a", content[10:20], 10, 30)
    assert second.empty(200)
    assert second.header("Range") == "bytes=0-20"
    assert user.upload(made["id"], "a", content[20:], 20, 30).empty(201)
    assert user.get(f"artifact/{made['id']}/").json()["files_to_upload"] == []


def test_a_file_comes_in_one_request_without_a_range(user: Api) -> None:
    """§5 (b) a PUT without Content-Range is the whole file: 201."""
    content = os.urandom(30)
    made = user.declare({"a": content})
    assert user.ask("PUT", file_path(made["id"], "a"), content).empty(201)


def test_a_complete_file_may_come_again(user: Api) -> None:
    """§5 (b) 201 also when it was complete before."""
    content = os.urandom(30)
    made = user.artifact({"a": content})
    assert user.upload(made["id"], "a", content).empty(201)
    assert user.upload(made["id"], "a", content[10:], 10, 30).empty(201)


def test_other_bytes_than_declared(user: Api) -> None:
    """§5 (b) 409: all is forgotten, and the client begins again with a probe."""
    content = os.urandom(20)
    made = user.declare({"a": content})
    user.upload(made["id"], "a", bytes(10), 0, 20)
    assert user.upload(made["id"], "a", content[10:], 10, 20).problem(409)
    assert user.probe(made["id"], "a", 20).header("Range") == "bytes=0-0"
    assert user.upload(made["id"], "a", content).empty(201)


@pytest.mark.parametrize(
    ("span", "length"),
    [
        ("bytes 5-9/20", 5),  # a gap: only 4 bytes are here
        ("bytes 21-25/20", 5),  # it begins behind the end
        ("bytes 4-24/20", 21),  # it goes beyond the end
        ("bytes 4-9/21", 6),  # of another size
        ("bytes 4-9/20", 5),  # shorter than announced
        ("bytes 4-9/20", 7),  # longer than announced
        ("bytes 9-4/20", 6),
        ("bytes 4-9", 6),
        ("4-9/20", 6),
        ("bytes=4-9/20", 6),
        ("bytes x-y/z", 6),
        ("bytes -4-9/20", 6),
    ],
)
def test_a_wrong_chunk_changes_nothing(user: Api, span: str, length: int) -> None:
    """§5 (b) 400: gap, start > size, data past the end, length ≠ range, malformed Content-Range."""
    content = os.urandom(20)
    made = user.declare({"a": content})
    user.upload(made["id"], "a", content[:4], 0, 20)
    assert user.ask("PUT", file_path(made["id"], "a"), content[:length].ljust(length), {"Content-Range": span}).problem(
        400
    )
    assert user.probe(made["id"], "a", 20).header("Range") == "bytes=0-4"


def test_a_chunk_may_overlap_what_is_here(user: Api) -> None:
    """§5 (b) overlapping data: the same chunk again after a lost answer."""
    content = os.urandom(20)
    made = user.declare({"a": content})
    user.upload(made["id"], "a", content[:10], 0, 20)
    assert user.upload(made["id"], "a", content[:10], 0, 20).header("Range") == "bytes=0-10"
    assert user.upload(made["id"], "a", content[5:15], 5, 20).header("Range") == "bytes=0-15"
    assert user.upload(made["id"], "a", content[15:], 15, 20).empty(201)


def test_a_chunk_that_breaks_off_may_be_sent_again(user: Api) -> None:
    """§5 connection errors on a chunk: the same chunk again, from its start."""
    content = os.urandom(20)
    made = user.declare({"a": content})
    user.upload(made["id"], "a", content[:4], 0, 20)
    target = f"/api/1.0/{file_path(made['id'], 'a')}"
    headers = {"Token": user.key or "", "Content-Range": "bytes 4-19/20", "Content-Length": "16"}
    with socket.create_connection(user.address) as connection:
        connection.sendall(request_bytes(user.address, "PUT", target, headers, None) + content[4:9])
    assert user.upload(made["id"], "a", content[4:], 4, 20).empty(201)


def test_an_upload_without_a_content_type_is_taken(user: Api) -> None:
    """§5 the PUT carries no Content-Type and no scope."""
    content = os.urandom(5)
    made = user.declare({"a": content})
    headers = {"Token": user.key or "", "Content-Range": "bytes 0-4/5"}
    assert exchange(user.address, "PUT", f"/api/1.0/{file_path(made['id'], 'a')}", headers, content).empty(201)


def test_a_client_may_ask_whether_it_shall_go_on(user: Api) -> None:
    """§5 Expect: 100-continue is answered before the body comes."""
    content = os.urandom(5)
    made = user.declare({"a": content})
    target = f"/api/1.0/{file_path(made['id'], 'a')}"
    headers = {"Token": user.key or "", "Expect": "100-continue", "Content-Length": "5"}
    with socket.create_connection(user.address, timeout=60) as connection:
        connection.sendall(request_bytes(user.address, "PUT", target, headers, None))
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(content)
        assert read_answer(connection).empty(201)


@pytest.mark.parametrize("path", ["a b+é.txt", "sub/b.txt", "sub dir/100%/x.txt", "a;b=c.txt", "~a'b(c)!*"])
def test_paths_are_percent_encoded_and_keep_their_slashes(user: Api, path: str) -> None:
    """§5 files/PATH/: spaces, plus, UTF-8 encoded, slashes kept, one slash at the end."""
    content = path.encode() + os.urandom(4)
    made = user.declare({path: content})
    assert user.upload(made["id"], path, content).empty(201)
    assert user.probe(made["id"], path, len(content)).status == 200


def test_the_last_slash_belongs_to_the_address(user: Api) -> None:
    """§5 files/PATH/ always ends with a slash."""
    made = user.declare({"a": os.urandom(4)})
    assert user.ask("PUT", f"artifact/{made['id']}/files/a", b"", {"Content-Range": "bytes */4"}).problem(404)


def test_an_upload_goes_on_after_the_server_was_started_again(server: Server, user: Api) -> None:
    """§5 resume works across processes: partial data is kept per artifact and path."""
    content = os.urandom(20)
    made, other = user.declare({"a": content}), user.declare({"b": content})
    user.upload(made["id"], "a", content[:7], 0, 20)
    assert user.probe(other["id"], "b", 20).header("Range") == "bytes=0-0"  # each has its own
    server.kill()
    server.start()
    assert user.probe(made["id"], "a", 20).header("Range") == "bytes=0-7"
    assert user.upload(made["id"], "a", content[7:], 7, 20).empty(201)


def test_416_does_not_happen(user: Api) -> None:
    """§5 416 is never an answer to an upload."""
    made = user.declare({"a": os.urandom(4)})
    for span in ("bytes 4-4/4", "bytes 100-200/4", "bytes 0-9/4"):
        assert user.ask("PUT", file_path(made["id"], "a"), b"x", {"Content-Range": span}).status == 400


def test_anybody_else_does_not_send_files(server: Server, user: Api, nobody: Api) -> None:
    """§5 the header Token is needed: 403; who may not see the artifact: 404."""
    content = os.urandom(4)
    made = user.declare({"a": content})
    assert nobody.upload(made["id"], "a", content).status in {403, 404}
    stranger = user.by(server.worker_key(f"{new_name()}.example.org"))
    assert stranger.upload(made["id"], "a", content).problem(404)


def test_what_was_declared_is_what_is_kept(user: Api) -> None:
    """§5 the hash is checked before a file is complete."""
    content = os.urandom(40)
    made = user.artifact({"a": content})
    assert made["files"]["a"]["checksums"]["sha256"] == hashlib.sha256(content).hexdigest()
