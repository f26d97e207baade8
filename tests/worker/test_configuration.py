"""Reading config.ini."""

from pathlib import Path

import pytest

from debusine.domain.errors import ConfigurationError
from debusine.worker.configuration import read_configuration


def write(directory: Path, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.ini").write_text(text)
    return directory


def test_an_api_url_is_enough(tmp_path: Path) -> None:
    home = tmp_path / "home"
    write(home / ".config/debusine/worker", "[General]\napi-url = http://example.org/api\n")
    found = read_configuration(environ={"HOME": str(home)})
    assert found.api_url == "http://example.org/api"
    assert found.log_level == "INFO"
    assert found.state_directory == home / ".local/state/debusine/worker"
    assert found.cache_directory == home / ".cache/debusine/worker"
    assert found.work_directory.parent == Path("/var/tmp")


def test_everything_can_be_told(tmp_path: Path) -> None:
    text = """[General]
api-url = https://example.org/api
log-file = /var/log/worker.log
log-level = debug
state-directory = /state
cache-directory = /cache
cache-size = 5 GiB
work-directory = /work%%directory
"""
    found = read_configuration(write(tmp_path, text))
    assert (found.log_file, found.log_level) == (Path("/var/log/worker.log"), "DEBUG")
    assert (found.state_directory, found.cache_directory) == (Path("/state"), Path("/cache"))
    assert (found.cache_size, found.work_directory) == (5 << 30, Path("/work%directory"))


def test_two_configurations_work_in_two_places(tmp_path: Path) -> None:
    text = "[General]\napi-url = http://example.org/api\n"
    one, two = (read_configuration(write(tmp_path / name, text), {"HOME": "/home/a"}) for name in ("one", "two"))
    assert one.work_directory != two.work_directory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[General]\napi-ulr = x\n", "unknown key 'api-ulr'"),
        ("[General]\n", "api-url is missing"),
        ("[General]\napi-url = ftp://example.org\n", "not the URL of an API"),
        ("[General]\napi-url = http://a/api\nlog-level = loud\n", "log-level: 'LOUD' is none of"),
        ("[General]\napi-url = http://a/api\ncache-size = much\n", "cache-size"),
        ("[General]\napi-url = http://a/api\nwork-directory = here\n", "not an absolute path"),
        ("[General]\napi-url = %(nothing)s\n", "config.ini: "),
        ("api-url = http://a/api\n", "config.ini: "),
        ("[Other]\n[General]\n", "the section [General] and no other"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_files_name(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(write(tmp_path, text))
    message = str(caught.value)
    assert expected.lower() in message.lower()
    assert "\n" not in message
    assert "config.ini" in message


def test_no_configuration_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="api-url = http://SERVER"):
        read_configuration(tmp_path / "nothing")
