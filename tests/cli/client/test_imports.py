"""Debian's files imported, from paths and from URLs."""

from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.cli.client.running import Farm
from tests.client.fake_server import Handler, answering, problem
from tests.debian.packages import make_changes, make_deb, make_dsc


@pytest.fixture
def changes() -> Path:
    """An upload of source and one binary, in the working directory."""
    here = Path.cwd()
    dsc, deb = make_dsc(here), make_deb(here)
    return make_changes(here, [dsc, dsc.with_suffix(".tar.xz"), deb], "source all")


def test_a_dsc_is_imported_from_a_path(farm: Farm, tmp_path: Path) -> None:
    dsc = make_dsc(tmp_path)
    result = farm.run("import-debian-artifact", dsc, "--workspace", "W", "--expire-at", "2027-01-01T00:00:00Z")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "result: success\n"
        f"message: 'New artifact created: {farm.origin}/debusine/System/artifact/1/'\n"
        "artifact_id: 1\n"
        "extends: []\n"
        "relates_to: []\n"
    )
    assert farm.server.artifacts[1]["category"] == "debian:source-package"
    assert farm.server.artifacts[1]["workspace"] == "W"
    assert farm.server.artifacts[1]["expire_at"] == "2027-01-01T00:00:00Z"


def test_a_changes_makes_artifacts_in_order_and_relations_after_all(farm: Farm, changes: Path) -> None:
    result = farm.run("import-debian-artifact", changes.name)
    assert [farm.server.artifacts[id_]["category"] for id_ in (1, 2, 3, 4)] == [
        "debian:upload",
        "debian:source-package",
        "debian:binary-package",
        "debian:binary-packages",
    ]
    assert [(seen.method, seen.path.split("/")[3]) for seen in farm.server.seen][-6:] == [
        ("POST", "artifact-relation")
    ] * 6
    assert [(item["artifact"], item["target"], item["type"]) for item in farm.server.relations] == [
        (1, 2, "extends"),
        (1, 2, "relates-to"),
        (1, 3, "extends"),
        (1, 3, "relates-to"),
        (1, 4, "extends"),
        (1, 4, "relates-to"),
    ]
    others = [{"artifact_id": 2}, {"artifact_id": 3}, {"artifact_id": 4}]
    told = yaml.safe_load(result.stdout)
    assert (told["artifact_id"], told["extends"], told["relates_to"]) == (1, others, others)


def test_each_artifact_is_whole_before_the_next_is_made(farm: Farm, changes: Path) -> None:
    farm.run("import-debian-artifact", changes)
    steps = [seen.path.split("/")[4] or "new" for seen in farm.server.seen if "/artifact/" in seen.path]
    assert steps == ["new", "1", "1", "1", "1", "new", "2", "2", "new", "3", "new", "4"]


@pytest.fixture
def mirror(farm: Farm, changes: Path) -> str:
    """The files of the working directory behind HTTP."""
    farm.server.misbehave("GET", "^/pool/", _file_of(Path.cwd()), times=20)
    return f"{farm.origin}/pool/main/{changes.name}"


def _file_of(directory: Path) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(directory / request.path.rpartition("/")[2])

    return serve


def test_a_url_is_fetched_with_all_that_it_lists(farm: Farm, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = farm.run("import-debian-artifact", mirror)
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(farm.server.artifacts) == 4
    assert not any("Token" in seen.headers for seen in farm.server.requests("GET", "^/pool/"))


def test_a_url_whose_files_are_not_as_listed_is_refused(farm: Farm, mirror: str) -> None:
    Path("hello-play_1.0.tar.xz").write_bytes(b"other")
    result = farm.run("import-debian-artifact", mirror)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "hello-play_1.0.tar.xz arrived damaged" in result.stderr
    assert farm.server.artifacts == {}


def test_a_url_that_is_not_there_is_told_without_blaming_the_server(farm: Farm) -> None:
    farm.server.misbehave("GET", "^/pool/", answering(lambda: web.Response(status=404)))
    result = farm.run("import-debian-artifact", f"{farm.origin}/pool/a.dsc")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"{farm.origin}/pool/a.dsc could not be fetched: The server answered 404 Not Found")
    assert "api-url" not in result.stderr


def test_a_file_url_is_a_path(farm: Farm, changes: Path) -> None:
    assert farm.run("import-debian-artifact", f"file://{changes.absolute()}").exit_code == 0


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        ("ftp://mirror.example/a.dsc", "cannot be fetched: give a path, or a URL"),
        ("nowhere.dsc", "There is no file nowhere.dsc"),
        ("a.txt", "its name must end with .changes, .dsc, .deb, .ddeb or .udeb"),
        ("https://mirror.example/a.tar.gz", "its name must end with .changes, .dsc, .deb, .ddeb or .udeb"),
    ],
)
def test_what_cannot_be_imported_is_one_line(farm: Farm, upload: str, message: str) -> None:
    result = farm.run("import-debian-artifact", upload)
    assert (result.exit_code, result.stdout) == (3, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_refused_import_is_told_in_yaml_with_status_3(farm: Farm, changes: Path) -> None:
    farm.server.misbehave("POST", "", answering(lambda: problem(403, "You may not")))
    result = farm.run("import-debian-artifact", changes)
    assert result.exit_code == 3
    assert yaml.safe_load(result.stdout) == {"result": "failure", "error": {"title": "You may not"}}
    assert "Check the token in [server:local] of " in result.stderr
