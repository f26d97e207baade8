"""§6: files come back, one by one or in one archive."""

import gzip
import io
import os
import re
import subprocess
import tarfile
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.wire.api import Api, path_of
from tests.wire.raw import Raw

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)

TAR_GZ = "application/octet-stream"


def archive(user: Api, artifact: int, below: str = "", workspace: str = "System") -> Raw:
    """The tar.gz of an artifact."""
    return user.get(f"/debusine/{workspace}/artifact/{artifact}/download/{below}?archive=tar.gz")


def members(answer: Raw) -> dict[str, bytes]:
    """What is in an archive, which must be whole."""
    with tarfile.open(fileobj=io.BytesIO(answer.body), mode="r:gz") as opened:
        return {member.name: read.read() for member in opened if (read := opened.extractfile(member)) is not None}


def test_a_single_file_with_all_its_headers(user: Api) -> None:
    """§6 single file: Content-Length, Accept-Ranges, Content-Disposition, type, no Content-Encoding."""
    content = os.urandom(100)
    made = user.artifact({"sub/b.txt": content})
    answer = user.get(path_of(made["files"]["sub/b.txt"]["url"]))
    assert (answer.status, answer.body) == (200, content)
    assert answer.header("Content-Length") == "100"
    assert answer.header("Accept-Ranges") == "bytes"
    assert answer.header("Content-Disposition") == 'attachment; filename="b.txt"'
    assert answer.header("Content-Type") == "text/plain; charset=us-ascii"
    assert answer.all("Content-Encoding") == []
    assert answer.all("Transfer-Encoding") == []


def test_an_archive_with_all_its_headers(user: Api) -> None:
    """§6 tar.gz: application/octet-stream, no Content-Encoding, Content-Disposition, Last-Modified."""
    made = user.artifact({"a": os.urandom(10), "sub/b": os.urandom(10)})
    answer = user.ask("GET", path_of(made["download_tar_gz_url"]), headers={"Accept-Encoding": "gzip, deflate, br"})
    assert answer.status == 200
    assert answer.header("Content-Type") == TAR_GZ
    assert answer.all("Content-Encoding") == []
    assert answer.header("Content-Disposition") == f'attachment; filename="artifact-{made["id"]}.tar.gz"'
    created = datetime.fromisoformat(made["created_at"]).replace(microsecond=0)
    assert parsedate_to_datetime(answer.header("Last-Modified")) == created


def test_the_members_of_an_archive(user: Api) -> None:
    """§6 tar.gz: member names are paths, only complete files, mtime is the creation."""
    files = {"a": os.urandom(10), "sub/b c+é": os.urandom(10), "empty": b""}
    made = user.declare({**files, "missing": os.urandom(4)})
    for path in ("a", "sub/b c+é"):
        assert user.upload(made["id"], path, files[path]).empty(201)
    answer = archive(user, made["id"])
    assert members(answer) == files
    with tarfile.open(fileobj=io.BytesIO(answer.body), mode="r:gz") as opened:
        times = {member.mtime for member in opened}
    assert times == {int(datetime.fromisoformat(made["created_at"]).timestamp())}


def test_debians_tar_unpacks_it(user: Api, tmp_path: Path) -> None:
    """§6 tar.gz: piped into tar -xzv, whose words are the files' names."""
    files = {"a": b"one", "sub/b": b"two", "sub/empty": b""}
    answer = archive(user, user.artifact(files)["id"])
    done = subprocess.run(["tar", "-xzv"], input=answer.body, cwd=tmp_path, capture_output=True, check=True)
    assert sorted(done.stdout.decode().split()) == sorted(files)
    assert {path: (tmp_path / path).read_bytes() for path in files} == files


def test_an_artifact_without_files_is_an_empty_archive(user: Api, tmp_path: Path) -> None:
    """§6 tar.gz of zero files is valid."""
    answer = archive(user, user.artifact({})["id"])
    assert gzip.decompress(answer.body).strip(b"\0") == b""
    done = subprocess.run(["tar", "-xzv"], input=answer.body, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout == done.stderr == b""


def test_a_directory_is_an_archive_of_its_own(user: Api) -> None:
    """§6 download/DIR/?archive=tar.gz is the subtree."""
    made = user.artifact({"sub/b": b"two", "sub/deep/c": b"three", "subtle": b"four", "a": b"one"})
    for directory in ("sub", "sub/"):
        assert members(archive(user, made["id"], directory)) == {"sub/b": b"two", "sub/deep/c": b"three"}


def test_the_whole_download_is_the_file_if_there_is_just_one(user: Api) -> None:
    """§6 download/ without archive: the file itself, else the tar.gz."""
    one, two = user.artifact({"sub/a": b"content"}), user.artifact({"a": b"1", "b": b"2"})
    answer = user.get(f"/debusine/System/artifact/{one['id']}/download/")
    assert (answer.body, answer.header("Content-Disposition")) == (b"content", 'attachment; filename="a"')
    assert members(user.get(f"/debusine/System/artifact/{two['id']}/download/")) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    ("asked", "span"),
    [("bytes=0-0", (0, 1)), ("bytes=10-19", (10, 20)), ("bytes=90-", (90, 100)), ("bytes=-5", (95, 100)),
     ("bytes=90-1000", (90, 100)), ("bytes=-1000", (0, 100))],
)  # fmt: skip
def test_a_part_of_a_file(user: Api, asked: str, span: tuple[int, int]) -> None:
    """§6 Range: bytes=a-b | a- | -n: 206 + Content-Range."""
    content, (start, stop) = os.urandom(100), span
    made = user.artifact({"a": content})
    answer = user.get(path_of(made["files"]["a"]["url"]), Range=asked)
    assert (answer.status, answer.body) == (206, content[start:stop])
    assert answer.header("Content-Range") == f"bytes {start}-{stop - 1}/100"
    assert answer.header("Content-Length") == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_part_that_is_not_in_the_file(user: Api, asked: str) -> None:
    """§6 out of bounds: 416; §20 bad Range: 416."""
    made = user.artifact({"a": os.urandom(100)})
    answer = user.get(path_of(made["files"]["a"]["url"]), Range=asked)
    assert answer.problem(416)
    assert answer.header("Content-Range") == "bytes */100"


@pytest.mark.parametrize("asked", ["bytes", "bytes=a-b", "lines=0-1", "bytes=5-1", "bytes=0-1,5-6", "bytes=-"])
def test_a_malformed_range_is_ignored(user: Api, asked: str) -> None:
    """§6 a single range only; §20 a malformed one is ignored, as HTTP says."""
    content = os.urandom(100)
    made = user.artifact({"a": content})
    answer = user.get(path_of(made["files"]["a"]["url"]), Range=asked)
    assert (answer.status, answer.body) == (200, content)


def test_a_file_that_has_not_come_yet(user: Api) -> None:
    """§6 incomplete file: 404."""
    made = user.declare({"a": os.urandom(5), "b": os.urandom(5)})
    assert user.get(path_of(made["files"]["a"]["url"])).problem(404)


@pytest.mark.parametrize("path", ["download/nothing", "download/nothing?archive=tar.gz"])
def test_a_path_that_is_not_there(user: Api, path: str) -> None:
    """§6 no such path: 404."""
    made = user.artifact()
    assert user.get(f"/debusine/System/artifact/{made['id']}/{path}").problem(404)


def test_everybody_downloads_from_a_public_workspace(user: Api, nobody: Api, public: str) -> None:
    """§6 public workspace: no token needed."""
    made = user.artifact({"a": b"for all"}, workspace=public)
    assert nobody.get(path_of(made["files"]["a"]["url"])).body == b"for all"
    assert members(nobody.get(path_of(made["download_tar_gz_url"]))) == {"a": b"for all"}


def test_nobody_downloads_from_a_private_one(user: Api, nobody: Api) -> None:
    """§6 private workspace: hidden, 404."""
    made = user.artifact({"a": b"secret"})
    assert nobody.get(path_of(made["files"]["a"]["url"])).problem(404)
    assert nobody.get(path_of(made["download_tar_gz_url"])).problem(404)


def test_a_large_archive_is_whole(user: Api) -> None:
    """§6 tar.gz of what is no small thing: every byte, and an end."""
    files = {"noise": os.urandom(3 << 20), "zeros": bytes(5 << 20)}
    assert members(archive(user, user.artifact(files)["id"])) == files


@pytest.mark.parametrize("name", ['quo"te.txt', "é ü.txt", "semi;colon.txt", "back\\slash.txt"])
def test_a_name_survives_its_header(user: Api, name: str) -> None:
    """§6 Content-Disposition: one header, one name, no way out of it."""
    made = user.artifact({name: b"x" + os.urandom(4)})
    value = user.get(path_of(made["files"][name]["url"])).header("Content-Disposition")
    assert re.fullmatch(r"attachment; filename=\"[ !#-\[\]-~]*\"(; filename\*=UTF-8''[A-Za-z0-9%._~-]+)?", value), value
