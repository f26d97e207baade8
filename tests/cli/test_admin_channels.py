"""``debusine-admin channel`` and ``notification``: the same while the server runs and while it does not."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from debusine.cli.admin import main
from tests.cli.processes import run, running_server

Admin = Callable[..., Result]

EMAIL = 'from: farm@example.org\nto: [alice@example.org]\nsubject: "no. $work_request_id"\n'


@pytest.fixture(params=["stopped", "running"])
def admin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Admin]:
    """The command, on a farm whose server does not run, or runs, and can send mail."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "debusine.toml").write_text('[notifications.email.options]\nserver = "127.0.0.1"\n')
    with ExitStack() as stack:
        if request.param == "running":
            stack.enter_context(running_server(data_dir))
        yield lambda *arguments: CliRunner().invoke(main, ["--data-dir", str(data_dir), *arguments])


def test_the_life_of_a_channel(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "mail.yaml").write_text(EMAIL)
    (tmp_path / "mail.json").write_text('{"from": "farm@example.org", "to": ["bob@example.org"]}')

    made = admin("channel", "create", "mail", "email", "--data", str(tmp_path / "mail.yaml"), "--allow-overrides")
    assert made.stdout == "The channel mail was made; submitters name it in their event_reactions.\n", made.stderr
    assert admin("channel", "create", "team", "email", "--data", str(tmp_path / "mail.json")).exit_code == 0
    rows = admin("channel", "list").stdout.splitlines()
    assert rows[1].split("  ")[0] == "mail"
    assert "from: farm@example.org; to: alice@example.org; subject: no. $work_request_id" in rows[1]
    assert json.loads(admin("--json", "channel", "list").stdout)[1]["data"]["to"] == ["bob@example.org"]
    assert admin("channel", "delete", "team").stdout == "The channel team was deleted.\n"
    assert admin("notification", "list").stderr == "There is no notification yet.\n"
    assert admin("notification", "list", "--failed").stderr == "No notification was given up.\n"


def test_a_refusal_is_one_sentence_with_what_to_do(admin: Admin, tmp_path: Path) -> None:
    (tmp_path / "mail.yaml").write_text(EMAIL)
    (tmp_path / "wrong.yaml").write_text("from: farm\nto: [alice@example.org, 'Bob <bob@example.org>']\nbcc: []\n")
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "broken.yaml").write_text("{")

    def refused(*arguments: str, status: int = 1) -> str:
        done = admin("channel", *arguments)
        assert done.exit_code == status, done.output
        assert done.stdout == ""
        return done.stderr

    wrong = refused("create", "mail", "email", "--data", str(tmp_path / "wrong.yaml"))
    assert wrong.startswith("debusine-admin: Cannot create the channel mail")
    assert wrong.count("\n") == 1
    for part in ("data.from: 'farm' is not an e-mail address", "data.to[1]: 'Bob <bob@example.org>'", "'bcc' was"):
        assert part in wrong
    assert "there are: email" in refused("create", "p", "pigeon", "--data", str(tmp_path / "mail.yaml"))
    assert "it must be a mapping" in refused("create", "m", "email", "--data", str(tmp_path / "list.yaml"))
    assert "is not the YAML" in refused("create", "m", "email", "--data", str(tmp_path / "broken.yaml"))
    assert "cannot be the name of a channel" in refused("create", "1", "email", "--data", str(tmp_path / "mail.yaml"))
    assert "There is no channel 'mail'; there are: none" in refused("delete", "mail")
    assert "does not exist" in refused("create", "m", "email", "--data", str(tmp_path / "no.yaml"), status=2)


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        (
            '[notifications.email.options]\nserver = "a"\nprot = 1\n',
            "notifications.email.options.prot: there is no such",
        ),
        ("[notifications.pigeon]\n", "notifications.pigeon: there is no notification method named 'pigeon'"),
        ("[notifications.email]\noption = 1\n", "notifications.email.option: there is no such setting; did you mean"),
        ("notifications = 1\n", "notifications: This must be an object"),
    ],
)
def test_a_wrong_configuration_is_one_line(tmp_path: Path, configuration: str, said: str) -> None:
    (tmp_path / "debusine.toml").write_text(configuration)
    (tmp_path / "mail.yaml").write_text(EMAIL)
    command = ["channel", "create", "mail", "email", "--data", str(tmp_path / "mail.yaml")]

    done = CliRunner().invoke(main, ["--data-dir", str(tmp_path), *command])

    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    started = run("debusine-server", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0")
    assert started.returncode == 2
    assert said in started.stderr
    assert started.stderr.count("\n") == 1


def test_a_method_that_is_not_configured_is_told_with_what_to_configure(tmp_path: Path) -> None:
    (tmp_path / "mail.yaml").write_text(EMAIL)
    command = ["channel", "create", "mail", "email", "--data", str(tmp_path / "mail.yaml")]

    done = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), *command])

    assert done.exit_code == 1
    assert (
        "email cannot be used on this server: it is not configured: notifications.email.options.server" in done.stderr
    )
