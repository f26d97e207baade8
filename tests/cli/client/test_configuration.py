"""The configuration file: which servers there are, and what is said when it cannot be used."""

from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from debusine.cli.main import debusine
from debusine.client.configuration import InvalidConfiguration, NoConfiguration, load_configuration
from tests.cli.client.running import Farm, write_config
from tests.client.fake_server import answering, problem

GOOD = """\
[General]
default-server = local

[server:local]
api-url = http://127.0.0.1:8765/api
scope = debusine
token = usertoken0123456789

[server:other]
api-url = https://farm.example/api
scope = team
token = hundred%%
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.ini"
    path.write_text(GOOD)
    return path


def test_the_default_server_is_chosen(config: Path) -> None:
    server = load_configuration(config).server()
    assert (server.name, server.access.api_url, server.access.scope) == (
        "local",
        "http://127.0.0.1:8765/api",
        "debusine",
    )


@pytest.mark.parametrize("wanted", ["other", "farm.example/team"])
def test_a_server_is_chosen_by_name_or_by_host_and_scope(config: Path, wanted: str) -> None:
    server = load_configuration(config).server(wanted)
    assert server.name == "other"
    assert server.access.token is not None
    assert server.access.token.reveal() == "hundred%"


def test_the_file_in_the_home_directory_is_the_default(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / ".config" / "debusine" / "client"
    directory.mkdir(parents=True)
    config.rename(directory / "config.ini")
    assert load_configuration().server().name == "local"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("token = usertoken0123456789\n", "", r"\[server:local\] has no token"),
        ("scope = debusine\n", "scope =\n", r"\[server:local\] has no scope"),
        ("scope = debusine\n", "scope = debusine\ncolour = red\n", "has colour, but only api-url, scope, token may"),
        ("default-server = local\n", "", r"\[General\] has no default-server"),
        ("[General]\ndefault-server = local\n", "", r"\[General\] has no default-server"),
        ("default-server = local", "default-server = gone", r"it has no \[server:gone\]; it has local, other"),
        ("hundred%%", "100%", "token in .server:other. has a single %; write %% instead"),
        ("http://127.0.0.1:8765/api", "127.0.0.1", r"in \[server:local\] api-url '127.0.0.1' is not the URL of an API"),
        ("[General]", "no section", "no section headers"),
        ("scope = debusine\n", "scope = a\nscope = b\n", "option 'scope' .* already exists"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(config: Path, old: str, new: str, message: str) -> None:
    config.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InvalidConfiguration, match=message) as caught:
        load_configuration(config).server()
    assert str(caught.value).startswith(f"The configuration file {config} cannot be used: ")
    assert "\n" not in str(caught.value)


def test_other_servers_may_be_wrong(config: Path) -> None:
    config.write_text(GOOD.replace("scope = team", "colour = red"))
    assert load_configuration(config).server().name == "local"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="Is a directory"):
        load_configuration(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfiguration, match="codec can't decode"):
        load_configuration(tmp_path / "binary")


def test_no_file_shows_one_to_write(tmp_path: Path) -> None:
    with pytest.raises(
        NoConfiguration, match=r"There is no configuration file .*/none\.ini: write one like this"
    ) as caught:
        load_configuration(tmp_path / "none.ini")
    assert "[server:local]\napi-url = http://127.0.0.1:8000/api\n" in str(caught.value)


@pytest.mark.parametrize("change", ["missing", "wrong"])
def test_the_program_ends_with_3_when_the_file_cannot_be_used(tmp_path: Path, change: str) -> None:
    path = tmp_path / "config.ini"
    if change == "wrong":
        path.write_text("[General]\n")
    result = CliRunner().invoke(debusine, ["list-work-requests", "--config-file", str(path)])
    assert (result.exit_code, result.stdout) == (3, "")
    assert str(path) in result.stderr


def test_a_server_that_is_not_there_is_one_line_that_says_what_to_check(tmp_path: Path, closed_port: int) -> None:
    path = write_config(tmp_path / "config.ini", f"http://127.0.0.1:{closed_port}/api")
    result = CliRunner().invoke(debusine, ["list-work-requests", "--config-file", str(path)])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        f"Cannot reach the server at http://127.0.0.1:{closed_port}: Connection refused. "
        f"Is it running, and is api-url right in [server:local] of {path}?\n"
    )


def test_a_refused_token_is_one_line_that_names_its_place(farm: Farm) -> None:
    farm.server.misbehave("GET", "", answering(lambda: problem(403, "Error", detail="You do not have permission")))
    result = farm.run("list-work-requests")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: You do not have permission. Check the token in [server:local] of ")


def test_another_program_behind_the_address_is_told(farm: Farm) -> None:
    farm.server.misbehave("GET", "", answering(lambda: web.Response(text="<html>")))
    result = farm.run("list-work-requests")
    assert result.exit_code == 3
    assert "cannot be understood" in result.stderr
    assert "Check api-url in [server:local] of " in result.stderr


def test_an_address_outside_the_api_is_told(farm: Farm) -> None:
    farm.config.write_text(farm.config.read_text().replace("/api", "/elsewhere"))
    result = farm.run("show-artifact", 1)
    assert result.exit_code == 3
    assert f"knows no GET {farm.origin}/elsewhere/1.0/artifact/1/; check api-url in [server:local]" in result.stderr


@pytest.mark.parametrize("command", ["", *debusine.commands])
def test_every_help_has_examples(command: str) -> None:
    result = CliRunner().invoke(debusine, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"debusine {command}" in result.output.split("Options:")[1] or not command
    assert "..." not in result.output.partition("Commands:")[2].split("\n\n")[0]
