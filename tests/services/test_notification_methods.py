"""Which notification methods a server can use, by what is installed and what is configured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from debusine_notify_email.method import Email

from debusine.config import MethodSettings
from debusine.domain.errors import ConfigurationError
from debusine.services.notification_methods import Methods, configure
from debusine.testing import MemoryNotificationMethod, plugin_manager

SERVER = {"server": "mail.example.org"}


def configured(options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Methods:
    settings = {} if options is None else {"email": MethodSettings(options=options)}
    registry = plugin_manager(notification_methods=[Email, MemoryNotificationMethod]).notification_methods()
    return configure(settings, registry, environ or {})


def email_options(options: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Any:
    return configured(options, environ).usable["email"].options


def test_a_configured_method_gets_its_settings(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    options = email_options({**SERVER, "username": "debusine", "password_file": str(tmp_path / "password")})

    assert options.address == ("mail.example.org", 587)
    assert options.password.reveal() == "hunter2"
    assert "hunter2" not in repr(options)


def test_ports_follow_the_way_to_protect_the_connection() -> None:
    ports = {tls: email_options({**SERVER, "tls": tls}).address[1] for tls in ("starttls", "tls", "none")}

    assert ports == {"starttls": 587, "tls": 465, "none": 25}


def test_the_environment_configures_a_method_that_no_file_names() -> None:
    environ = {
        "DEBUSINE_NOTIFICATIONS__EMAIL__OPTIONS__SERVER": "mail.example.net",
        "DEBUSINE_NOTIFICATIONS__EMAIL__OPTIONS__USERNAME": "debusine",
        "DEBUSINE_NOTIFICATIONS__EMAIL__OPTIONS__PASSWORD": "hunter2",
    }
    options = configured(environ=environ).usable["email"].options

    assert (options.server, options.username, options.password.reveal()) == ("mail.example.net", "debusine", "hunter2")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"notifications\.email\.options\.server: This field is required"),
        ({**SERVER, "prot": 25}, r"notifications\.email\.options\.prot: there is no such setting; known: "),
        ({**SERVER, "port": "25"}, r"notifications\.email\.options\.port: This must be a whole number"),
        ({**SERVER, "port": 70_000}, r"options\.port: 70000 is not a port"),
        ({**SERVER, "tls": "ssl"}, r"options\.tls: This must be one of: starttls, tls, none"),
        ({**SERVER, "password": "hunter2"}, r"options\.password: a secret does not stand here"),
        ({**SERVER, "username": "x"}, "username and password must be set both"),
        ({**SERVER, "password_file": "/nonexistent"}, r"options\.password_file: /nonexistent cannot be read"),
        ({**SERVER, "timeout": 0.0}, r"options\.timeout: timeout must be more than 0"),
        ({**SERVER, "bounces": "Postmaster <p@x>"}, r"options\.bounces: .* is not an e-mail address"),
        ({"server": "https://mail.example.org/"}, r"options\.server: .* is not the name or the address"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(options: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        configured(options)

    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_is_never_sent_in_clear_text(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    with pytest.raises(ConfigurationError, match="not sent in clear text"):
        configured({**SERVER, "tls": "none", "username": "x", "password_file": str(tmp_path / "password")})


def test_a_method_that_no_plugin_offers_is_told() -> None:
    registry = plugin_manager(notification_methods=[MemoryNotificationMethod]).notification_methods()

    with pytest.raises(ConfigurationError, match=r"notifications\.pigeon: there is no notification method named"):
        configure({"pigeon": MethodSettings()}, registry, {})


def test_a_variable_for_a_method_that_no_plugin_offers_is_told() -> None:
    with pytest.raises(ConfigurationError, match="DEBUSINE_NOTIFICATIONS__EMIAL__OPTIONS__SERVER"):
        configured(environ={"DEBUSINE_NOTIFICATIONS__EMIAL__OPTIONS__SERVER": "mail.example.org"})


def test_one_that_nobody_configured_is_usable_only_without_settings() -> None:
    methods = configured()

    assert set(methods.usable) == {"memory"}
    assert "notifications.email.options.server" in methods.unusable["email"]


def test_a_schema_that_is_none_makes_a_method_unusable() -> None:
    class Broken(MemoryNotificationMethod):
        name = "broken"
        data_schema = {"type": "objekt"}

    registry = plugin_manager(notification_methods=[Broken]).notification_methods()

    assert "is not a JSON Schema" in configure({}, registry, {}).unusable["broken"]
    with pytest.raises(ConfigurationError, match="is not a JSON Schema"):
        configure({"broken": MethodSettings()}, registry, {})
