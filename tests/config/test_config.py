"""The settings: one file and its twins in the environment, every mistake in one line."""

from pathlib import Path

import pytest

from debusine.config import Settings, default_data_dir, read_settings
from debusine.domain.errors import ConfigurationError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


def read(directory: Path, text: str | None = None, **environ: str) -> Settings:
    """The settings by a file in the data directory and by these variables."""
    directory.mkdir(exist_ok=True)
    if text is not None:
        (directory / "debusine.toml").write_text(text)
    return read_settings(data_dir=directory, environ={f"DEBUSINE_{name}": value for name, value in environ.items()})


def problem(directory: Path, text: str | None = None, **environ: str) -> str:
    """What is said about wrong settings, which is one line."""
    with pytest.raises(ConfigurationError) as caught:
        read(directory, text, **environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestTheFile:
    def test_without_one_the_defaults_hold(self, directory: Path) -> None:
        settings = read(directory)

        assert (settings.listen, settings.database, settings.scope) == ("127.0.0.1:8000", None, "debusine")
        assert settings.source is None
        assert {name: store.backend for name, store in settings.all_stores.items()} == {"Default": "local"}
        assert settings.all_stores["Default"].options == {"base_directory": str(directory / "store")}

    def test_every_setting_is_read(self, directory: Path) -> None:
        settings = read(
            directory,
            """
            listen = "[::1]:80"
            database = "postgresql:///farm"
            scope = "farm"
            public_url = "https://farm.example.org"
            trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
            [scheduler]
            policy = "lottery"
            options = { seed = 1 }
            [stores.Default]
            backend = "tape"
            [stores.Default.options]
            device = "/dev/st0"
            [stores.second]
            backend = "local"
            [limits]
            chunk = 5
            sweep = 1
            """,
        )

        assert (settings.listen, settings.scope, settings.public_url) == (
            "[::1]:80",
            "farm",
            "https://farm.example.org",
        )
        assert settings.trusted_proxies == ("127.0.0.1", "10.0.0.0/8")
        assert (settings.scheduler.policy, settings.scheduler.options) == ("lottery", {"seed": 1})
        assert settings.all_stores["Default"].options == {"device": "/dev/st0"}
        assert (settings.limits.chunk, settings.limits.sweep) == (5, 1.0)
        assert settings.source == directory / "debusine.toml"

    def test_another_file_is_named_by_the_option_or_by_the_environment(self, directory: Path, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_text('scope = "a"')
        (tmp_path / "b.toml").write_text('scope = "b"')
        environ = {"DEBUSINE_CONFIG": str(tmp_path / "a.toml")}

        assert read_settings(data_dir=directory, environ=environ).scope == "a"
        assert read_settings(config=tmp_path / "b.toml", data_dir=directory, environ=environ).scope == "b"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('listn = "x"', "listn: there is no such setting; did you mean listen?"),
            ("[limits]\nchnk = 1", "limits.chnk: there is no such setting; did you mean chunk?"),
            ('[scheduler]\npolice = "fifo"', "scheduler.police: there is no such setting; did you mean policy?"),
            (
                '[stores.Default]\nbackend = "local"\nreadonly = true',
                "stores.Default.readonly: there is no such setting; did you mean read_only",
            ),
            (
                '[stores.Default]\nbackend = "local"\npopulate = true\ndrain = true',
                "stores: Default: populate puts files there",
            ),
            (
                '[stores.Default]\nbackend = "local"\ndrain = true\ndrain_to = "Default"',
                "stores: Default: drain_to must name another of the stores",
            ),
            (
                '[stores.Default]\nbackend = "local"\nmax_size = 0',
                "stores['Default'].max_size: max_size must be more than 0",
            ),
            ('data_dir = "/srv"', "data_dir: there is no such setting"),
            ('source = "/srv"', "source: there is no such setting"),
            ("listen = 8000", "listen: This must be a string, not a number."),
            ('listen = "8000"', "listen: '8000' is not HOST:PORT"),
            ('listen = "localhost:http"', "listen: 'localhost:http' is not HOST:PORT"),
            ('listen = "localhost:65536"', "listen: 'localhost:65536' is not HOST:PORT"),
            ('scope = "a/b"', "scope: 'a/b' cannot stand in a URL"),
            ('scope = "api"', "scope: 'api' cannot stand in a URL"),
            ('public_url = "farm.example.org"', "public_url: 'farm.example.org' is not a URL"),
            ('trusted_proxies = ["proxy"]', "trusted_proxies: 'proxy' does not appear to be"),
            ('[limits]\nchunk = "5"', "limits.chunk: This must be a whole number, not a string."),
            ("[limits]\nchunk = 0", "limits.chunk: chunk must be more than 0"),
            ("[limits]\nsweep = nan", "limits.sweep: This must be a finite number."),
            ("limits = 1", "limits: This must be an object, not a number."),
            ("stores = 1", "stores: This must be an object, not a number."),
            ('[stores.cold]\nbackend = "local"', "stores: one of the stores must be named Default"),
            ("[stores.Default]", "stores['Default'].backend: This field is required."),
            ('[stores."a.b"]\nbackend = "local"', "stores: 'a.b' cannot be the name of a store"),
            ("listen = ", "is not valid TOML: "),
            ('a = "\0"', "is not valid TOML: "),
        ],
    )
    def test_each_mistake_names_file_and_key(self, directory: Path, text: str, told: str) -> None:
        message = problem(directory, text)

        assert message.startswith(f"{directory}/debusine.toml: ")
        assert told in message

    def test_several_mistakes_are_told_at_once(self, directory: Path) -> None:
        message = problem(directory, 'scope = ""\n[limits]\nchunk = 0')

        assert "scope: " in message
        assert "limits.chunk: " in message

    def test_a_file_that_is_not_there_is_told_when_somebody_named_it(self, directory: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"none.toml: cannot be read: No such file"):
            read_settings(config=directory / "none.toml", data_dir=directory, environ={})

    def test_bytes_that_are_no_text_are_told(self, directory: Path) -> None:
        directory.mkdir()
        (directory / "debusine.toml").write_bytes(b'scope = "\xff"')

        assert "it is not text in UTF-8" in problem(directory)


class TestTheEnvironment:
    def test_it_wins_over_the_file(self, directory: Path) -> None:
        settings = read(
            directory,
            'listen = "a:1"\n[limits]\nchunk = 1\nfile = 7\n[stores.Default]\nbackend = "local"',
            LISTEN="b:2",
            LIMITS__CHUNK="2",
            LIMITS__SWEEP="0.5",
            SCHEDULER__POLICY="lottery",
            STORES__Default__BACKEND="tape",
            TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8",
        )

        assert (settings.listen, settings.limits.chunk, settings.limits.file) == ("b:2", 2, 7)
        assert (settings.limits.sweep, settings.scheduler.policy) == (0.5, "lottery")
        assert settings.stores["Default"].backend == "tape"
        assert settings.trusted_proxies == ("127.0.0.1", "10.0.0.0/8")

    def test_the_option_wins_over_it(self, directory: Path) -> None:
        settings = read_settings(data_dir=directory, listen="c:3", environ={"DEBUSINE_LISTEN": "b:2"})

        assert settings.listen == "c:3"

    def test_an_empty_variable_says_nothing(self, directory: Path) -> None:
        assert read(directory, LISTEN="", DATABASE="").listen == "127.0.0.1:8000"

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("LISTN", "a:1", "DEBUSINE_LISTN: this variable of the environment sets nothing"),
            ("LIMITS__CHNK", "1", "DEBUSINE_LIMITS__CHNK: this variable of the environment sets nothing"),
            ("LIMITS__CHUNK", "many", "DEBUSINE_LIMITS__CHUNK: This must be a whole number, not a string."),
            ("LISTEN", "nowhere", "DEBUSINE_LISTEN: 'nowhere' is not HOST:PORT"),
            ("STORES__Wrong__BACKEND", "local", "DEBUSINE_STORES__Wrong__BACKEND: this variable"),
        ],
    )
    def test_each_mistake_names_the_variable(self, directory: Path, name: str, value: str, told: str) -> None:
        assert problem(directory, **{name: value}).startswith(told)

    def test_the_options_of_plugins_are_left_to_the_plugins(self, directory: Path) -> None:
        settings = read(directory, STORES__Default__OPTIONS__SPEED="5", SCHEDULER__OPTIONS__SEED="1")

        assert (dict(settings.stores), settings.scheduler.options) == ({}, {})

    def test_it_names_the_data_directory(self, tmp_path: Path) -> None:
        assert read_settings(environ={"DEBUSINE_DATA_DIR": str(tmp_path)}).data_dir == tmp_path

    def test_the_usual_data_directory_depends_on_who_asks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.geteuid", lambda: 0)
        assert default_data_dir({}) == Path("/var/lib/debusine")
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        assert default_data_dir({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "debusine"
        assert default_data_dir({}) == Path.home() / ".local/share/debusine"


def test_the_password_of_a_database_is_not_shown(directory: Path) -> None:
    assert "hunter2" not in repr(read(directory, 'database = "postgresql://me:hunter2@db/farm"'))
