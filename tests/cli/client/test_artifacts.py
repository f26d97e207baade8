"""The commands about artifacts, as their users see them."""

import json
import tarfile
from pathlib import Path

import yaml

from tests.cli.client.running import TOKEN, Farm
from tests.client.fake_server import CREATED_AT, answering, problem


def make(farm: Farm, *args: str | int) -> None:
    Path("a.txt").write_text("hello\n")
    assert farm.run("create-artifact", "debusine:test", "--upload", "a.txt", *args).exit_code == 0


def test_create_artifact_uploads_and_tells(farm: Farm) -> None:
    Path("sub").mkdir()
    Path("sub/b.txt").write_text("b\n")
    Path("a.txt").write_text("a\n")
    result = farm.run("create-artifact", "debusine:test", "--upload", "a.txt", "sub/b.txt", "--workspace", "W")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "result: success\n"
        f"message: 'New artifact created: {farm.origin}/debusine/System/artifact/1/'\n"
        "artifact_id: 1\n"
        "files_to_upload: 2\n"
        "expire_at: null\n"
    )
    assert all(upload.complete for upload in farm.server.uploads[1].values())
    assert sorted(farm.server.uploads[1]) == ["a.txt", "sub/b.txt"]
    assert farm.server.artifacts[1]["workspace"] == "W"
    assert {seen.headers["Token"] for seen in farm.server.seen} == {TOKEN}


def test_uploads_can_be_given_one_by_one_and_before_the_category(farm: Farm) -> None:
    for name in "abc":
        Path(name).touch()
    args = ["create-artifact", "--upload", "a", "b", "debusine:test", "--upload", "c"]
    assert farm.run(*args).exit_code == 0
    assert sorted(farm.server.uploads[1]) == ["a", "b", "c"]


def test_relative_names_begin_at_the_base_directory_and_absolute_ones_lose_theirs(farm: Farm, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    (base / "sub" / "b").touch()
    (tmp_path / "c").touch()
    args = ["--upload", "./sub/b", str(tmp_path / "c"), "--upload-base-directory", str(base)]
    assert farm.run("create-artifact", "debusine:test", *args).exit_code == 0
    assert sorted(farm.server.uploads[1]) == ["c", "sub/b"]


def test_data_from_standard_input_begins_a_document(farm: Farm) -> None:
    Path("debdiff.txt").touch()
    args = ["create-artifact", "debian:debdiff", "--data", "-", "--upload", "debdiff.txt"]
    result = farm.run(*args, stdin="original: a\nnew: b\n")
    assert result.stdout.startswith("---\nresult: success\n")
    assert farm.server.artifacts[1]["data"] == {"original": "a", "new": "b"}


def test_data_comes_from_a_file_and_the_expiry_is_kept(farm: Farm) -> None:
    Path("data.yaml").write_text("{original: a, new: b}")
    Path("debdiff.txt").touch()
    args = ["create-artifact", "debian:debdiff", "--data", "data.yaml", "--upload", "debdiff.txt"]
    result = farm.run(*args, "--expire-at", "2027-01-31T12:00:00Z", "--json")
    assert json.loads(result.stdout)["expire_at"] == "2027-01-31T12:00:00Z"
    assert list(json.loads(result.stdout)) == ["result", "message", "artifact_id", "files_to_upload", "expire_at"]


def test_a_refused_artifact_is_told_in_yaml_with_status_0(farm: Farm) -> None:
    farm.server.misbehave("POST", "artifact", answering(lambda: problem(404, "Workspace not found", detail="X")))
    result = farm.run("create-artifact", "debusine:test")
    assert result.exit_code == 0
    assert result.stdout == "result: failure\nerror:\n  title: Workspace not found\n  detail: X\n"
    assert result.stderr == "Choose another one with --workspace.\n"


def test_a_refused_artifact_ends_with_3_when_strict(farm: Farm) -> None:
    errors = {"category": ["This field is required."]}
    farm.server.misbehave("POST", "", answering(lambda: problem(400, "No", validation_errors=errors)))
    result = farm.run("create-artifact", "debusine:test", "--strict", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {"result": "failure", "error": {"title": "No", "validation_errors": errors}}


def test_data_that_does_not_fit_is_told_before_anything_is_sent(farm: Farm) -> None:
    Path("debdiff.txt").touch()
    args = ["create-artifact", "debian:debdiff", "--upload", "debdiff.txt", "--data", "-"]
    result = farm.run(*args, stdin="original: 1")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "The data does not fit debian:debdiff" in result.stderr
    assert "data.original: This must be a string" in result.stderr
    assert "data.new: This field is required." in result.stderr
    assert farm.server.seen == []


def test_files_that_do_not_fit_are_told(farm: Farm) -> None:
    result = farm.run("create-artifact", "debian:blhc")
    assert (result.exit_code, result.stderr) == (
        3,
        "The files do not fit debian:blhc: there must be exactly blhc.txt\n",
    )


def test_a_file_that_is_not_there_is_told(farm: Farm) -> None:
    result = farm.run("create-artifact", "debusine:test", "--upload", "nowhere")
    assert (result.exit_code, result.stderr) == (3, "There is no file nowhere\n")


def test_two_files_of_one_name_are_told(farm: Farm, tmp_path: Path) -> None:
    result = farm.run("create-artifact", "debusine:test", "--upload", "a", tmp_path / "a")
    assert result.exit_code == 3
    assert "Two files would be a in the artifact" in result.stderr


def test_yaml_that_is_no_mapping_is_told(farm: Farm) -> None:
    for text in ("[1]", "a: [", "a: .nan\nb: {", "&a [*a]"):
        result = farm.run("create-artifact", "debusine:test", "--data", "-", stdin=text)
        assert (result.exit_code, result.stdout) == (3, "")
        assert result.stderr.startswith("Standard input is not the YAML that is needed: ")


def test_a_moment_that_is_none_is_told(farm: Farm) -> None:
    result = farm.run("create-artifact", "debusine:test", "--expire-at", "tomorrow")
    assert result.exit_code == 3
    assert result.stderr == "'tomorrow' is not a date and time: write it like 2027-01-31T12:00:00Z\n"


def test_an_unknown_category_is_wrong_usage_and_all_are_named(farm: Farm) -> None:
    result = farm.run("create-artifact", "debian:tarball")
    assert result.exit_code == 2
    assert "debian:system-tarball" in result.stderr


def test_an_upload_that_fails_tells_which_artifact_is_incomplete(farm: Farm) -> None:
    Path("a").write_text("a")
    farm.server.misbehave("PUT", "", answering(lambda: problem(507, "No space is left")))
    result = farm.run("create-artifact", "debusine:test", "--upload", "a")
    assert yaml.safe_load(result.stdout) == {"result": "failure", "error": {"title": "No space is left"}}
    assert result.stderr == "Artifact 1 was made, but stays incomplete.\n"


def test_show_artifact_prints_its_keys_in_order(farm: Farm) -> None:
    make(farm)
    result = farm.run("show-artifact", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "id: 1\n"
        "url: /debusine/System/artifact/1/\n"
        "workspace: System\n"
        "category: debusine:test\n"
        f"created_at: {CREATED_AT}\n"
        "data: {}\n"
        f"download_tar_gz_url: {farm.origin}/debusine/System/artifact/1/download/?archive=tar.gz\n"
        "files_to_upload: []\n"
        "expire_at: null\n"
        "files:\n"
        "  a.txt:\n"
        "    size: 6\n"
        "    checksums:\n"
        "      sha256: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n"
        "    type: file\n"
        f"    url: {farm.origin}/debusine/System/artifact/1/download/a.txt\n"
        "    content_type: text/plain; charset=us-ascii\n"
    )


def test_json_holds_the_same_as_yaml(farm: Farm) -> None:
    make(farm)
    shown = json.loads(farm.run("show-artifact", 1, "--json").stdout)
    from_yaml = yaml.safe_load(farm.run("show-artifact", 1).stdout)
    assert list(shown) == list(from_yaml)
    assert shown["created_at"] == CREATED_AT
    assert json.loads(farm.run("--json", "show-artifact", 1).stdout) == shown


def test_an_artifact_that_is_not_there_is_one_line(farm: Farm) -> None:
    result = farm.run("show-artifact", 9)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", "No such artifact\n")


def test_relations_are_shown_from_both_ends(farm: Farm) -> None:
    farm.server.relations += [{"id": 5, "artifact": 1, "target": 2, "type": "built-using"}]
    forward = farm.run("show-artifact-relations", 1)
    assert forward.stdout == "- artifact: 1\n  target: 2\n  type: built-using\n  id: 5\n"
    assert farm.run("show-artifact-relations", 1, "--reverse").stdout == "[]\n"
    assert farm.run("show-artifact-relations", 2, "--reverse").stdout == forward.stdout


def test_download_artifact_prints_the_names(farm: Farm) -> None:
    make(farm)
    result = farm.run("download-artifact", 1, "--target-directory", "new/deep")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "a.txt\n", "")
    assert Path("new/deep/a.txt").read_text() == "hello\n"


def test_download_artifact_never_overwrites(farm: Farm) -> None:
    make(farm)
    Path("a.txt").write_text("mine")
    result = farm.run("download-artifact", 1)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "a.txt exists already: move it away or choose another directory\n"
    assert Path("a.txt").read_text() == "mine"


def test_download_artifact_as_a_tarball(farm: Farm) -> None:
    make(farm)
    result = farm.run("download-artifact", 1, "--tarball", "--json")
    assert json.loads(result.stdout) == ["artifact-1.tar.gz"]
    with tarfile.open("artifact-1.tar.gz") as archive:
        assert archive.getnames() == ["a.txt"]


def test_an_empty_artifact_downloads_nothing(farm: Farm) -> None:
    farm.run("create-artifact", "debusine:test")
    result = farm.run("download-artifact", 1)
    assert (result.exit_code, result.stdout) == (0, "")
