from pathlib import Path
from typing import Any

import pytest
from attrs import Factory, field, frozen

from debusine.plugin import ConfigurationError, Secret
from debusine.plugin.options import environment_name, structure_options, without_secrets

WHERE = "stores.Default.options"
PREFIX = "DEBUSINE_STORES__Default__OPTIONS__"


@frozen(kw_only=True)
class Endpoint:
    host: str = "localhost"


@frozen(kw_only=True)
class TapeOptions:
    device: Path
    speed: int = 1
    ratio: float = 1.0
    verify: bool = True
    label: str | None = None
    labels: list[str] = Factory(list)
    endpoint: Endpoint = Endpoint()
    password: Secret | None = None
    region: str = field(default="eu", alias="aws_region")


class Tape:
    Options = TapeOptions


class NoSettings:
    @frozen
    class Options:
        pass


def structured(raw: dict[str, Any], environ: dict[str, str] | None = None, plugin: type[Any] = Tape) -> Any:
    return structure_options(plugin, raw, where=WHERE, environ=environ or {})


def problem(raw: dict[str, Any], environ: dict[str, str] | None = None, plugin: type[Any] = Tape) -> str:
    with pytest.raises(ConfigurationError) as caught:
        structured(raw, environ, plugin)
    return str(caught.value)


class TestTheFile:
    def test_settings_become_an_object_of_the_plugins_class(self) -> None:
        assert structured({"device": "/dev/st0", "speed": 4}) == TapeOptions(device=Path("/dev/st0"), speed=4)

    def test_an_unknown_key_is_one_line_with_its_full_path_and_the_known_ones(self) -> None:
        assert problem({"device": "/d", "sped": 4}) == (
            "stores.Default.options.sped: there is no such setting; "
            "known: aws_region, device, endpoint, label, labels, password_file, ratio, speed, verify"
        )

    def test_a_plugin_without_settings_says_so(self) -> None:
        assert (
            problem({"x": 1}, plugin=NoSettings)
            == "stores.Default.options.x: there is no such setting; it has no settings"
        )

    def test_a_missing_key_is_named_by_its_full_path(self) -> None:
        assert problem({}) == "stores.Default.options.device: This field is required."

    def test_a_wrong_type_is_named_by_its_full_path(self) -> None:
        message = problem({"device": "/d", "verify": "false"})

        assert message == "stores.Default.options.verify: This must be true or false, not a string."

    def test_every_mistake_is_told_at_once(self) -> None:
        message = problem({"device": "/d", "verify": "false", "speed": "fast", "endpoint": {"prt": 1}})

        assert message.count("stores.Default.options.") == 3
        assert "stores.Default.options.endpoint: Invalid fields: prt" in message
        assert "\n" not in message

    def test_a_field_is_known_by_its_alias(self) -> None:
        assert structured({"device": "/d", "aws_region": "us"}).region == "us"


class TestSecrets:
    def test_a_secret_is_read_from_the_file_that_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("s3cret\n")

        options = structured({"device": "/d", "password_file": str(tmp_path / "key")})

        assert options.password == Secret("s3cret")

    def test_a_secret_comes_from_the_environment(self) -> None:
        options = structured({"device": "/d"}, {f"{PREFIX}PASSWORD": "s3cret"})

        assert options.password == Secret("s3cret")

    def test_the_environment_may_name_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("s3cret\n")

        options = structured({"device": "/d"}, {f"{PREFIX}PASSWORD_FILE": str(tmp_path / "key")})

        assert options.password == Secret("s3cret")

    def test_a_secret_in_the_configuration_is_refused_and_not_repeated(self) -> None:
        message = problem({"device": "/d", "password": "s3cret"})

        assert f"name its file in password_file or set {PREFIX}PASSWORD" in message
        assert "s3cret" not in message

    def test_a_file_that_cannot_be_read_is_one_line(self, tmp_path: Path) -> None:
        missing = tmp_path / "none"

        assert problem({"device": "/d", "password_file": str(missing)}) == (
            f"stores.Default.options.password_file: {missing} cannot be read: No such file or directory"
        )

    def test_an_empty_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text("\n")

        assert problem({"device": "/d", "password_file": str(tmp_path / "key")}).endswith("key is empty")

    def test_a_file_that_is_not_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_bytes(b"\xff\xfe")

        assert problem({"device": "/d", "password_file": str(tmp_path / "key")}).endswith("it is not text in UTF-8")

    def test_a_files_name_must_be_a_string(self) -> None:
        assert problem({"device": "/d", "password_file": 5}).endswith("password_file: This must be a string.")

    def test_the_settings_to_store_have_no_secrets(self) -> None:
        options = structured({"device": "/d"}, {f"{PREFIX}PASSWORD": "s3cret"})

        assert without_secrets(options) == {
            "aws_region": "eu",
            "device": "/d",
            "endpoint": {"host": "localhost"},
            "label": None,
            "labels": [],
            "ratio": 1.0,
            "speed": 1,
            "verify": True,
        }


class TestTheEnvironment:
    def test_it_wins_over_the_file(self) -> None:
        assert structured({"device": "/d"}, {f"{PREFIX}DEVICE": "/dev/st1"}).device == Path("/dev/st1")

    def test_values_are_read_as_the_fields_type(self) -> None:
        environ = {f"{PREFIX}SPEED": "7", f"{PREFIX}RATIO": "0.5", f"{PREFIX}VERIFY": "false", f"{PREFIX}LABEL": "7"}

        options = structured({"device": "/d"}, environ)

        assert (options.speed, options.ratio, options.verify, options.label) == (7, 0.5, False, "7")

    @pytest.mark.parametrize(("name", "expected"), [("VERIFY", "true or false"), ("SPEED", "a number")])
    def test_a_value_of_the_wrong_type_names_its_variable(self, name: str, expected: str) -> None:
        message = problem({"device": "/d"}, {PREFIX + name: "much"})

        assert message == f"stores.Default.options.{name.lower()}: {PREFIX}{name} must be {expected}"

    def test_names_in_upper_case_are_understood(self) -> None:
        assert structured({"device": "/d"}, {f"{PREFIX.upper()}SPEED": "7"}).speed == 7

    def test_a_variable_that_sets_nothing_is_refused(self) -> None:
        assert f"{PREFIX}SPED in the environment sets nothing" in problem({"device": "/d"}, {f"{PREFIX}SPED": "1"})

    def test_the_variables_of_another_store_do_not_matter(self) -> None:
        assert structured({"device": "/d"}, {"DEBUSINE_STORES__Other__OPTIONS__SPEED": "7"}).speed == 1

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            ("scheduler.options", "DEBUSINE_SCHEDULER__OPTIONS__SPEED"),
            ("stores.cold-store.options", "DEBUSINE_STORES__cold_store__OPTIONS__SPEED"),
        ],
    )
    def test_a_variables_name_follows_the_path(self, where: str, expected: str) -> None:
        assert environment_name(where, "speed") == expected
