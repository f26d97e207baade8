"""Tokens on disk, and becoming known with them."""

from pathlib import Path

import pytest

from debusine.domain.errors import ConfigurationError
from debusine.domain.secrets import Secret
from debusine.worker.credentials import Credentials, InsecureCredentials
from debusine.worker.registration import RegistrationFailed, known_token
from tests.worker.fake_server import FakeServer


def write_token(directory: Path, mode: int, text: str = "secret-token") -> Path:
    path = directory / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_no_token_yet_is_no_error(tmp_path: Path) -> None:
    assert Credentials(tmp_path).token is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_a_token_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    write_token(tmp_path, mode)
    with pytest.raises(InsecureCredentials, match="chmod 600") as caught:
        _ = Credentials(tmp_path).token
    assert "secret-token" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "t\0", "tök"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, text: str) -> None:
    write_token(tmp_path, 0o600, text)
    with pytest.raises(ConfigurationError, match="there is no token in it"):
        _ = Credentials(tmp_path).token


def test_a_saved_token_is_read_back_and_closed_to_others(tmp_path: Path) -> None:
    Credentials(tmp_path).save_token(Secret("abc"))
    assert Credentials(tmp_path).token == Secret("abc")
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


async def test_a_new_worker_registers_once_and_keeps_its_token(server: FakeServer, tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    token = await known_token(f"{server.url}/api", credentials)
    assert await known_token(f"{server.url}/api", credentials) == token
    ((body, sent),) = server.registrations
    assert body["token"] == token.reveal()
    assert len(token.reveal()) == 64
    assert body["fqdn"]
    assert sent is None


async def test_an_activation_token_goes_with_the_registration(server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "activation-token"
    path.write_text("activate")
    path.chmod(0o600)
    await known_token(f"{server.url}/api", Credentials(tmp_path))
    assert server.registrations[0][1] == "activate"


async def test_a_refused_registration_leaves_no_token(server: FakeServer, tmp_path: Path) -> None:
    server.register_status = 400
    with pytest.raises(RegistrationFailed):
        await known_token(f"{server.url}/api", Credentials(tmp_path))
    assert not (tmp_path / "token").exists()
