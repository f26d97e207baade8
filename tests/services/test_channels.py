"""Channels: what the operator may make, and what submitters may change of them."""

from collections.abc import Sequence
from typing import Any

import pytest
from debusine_notify_email.method import Email

from debusine.config import MethodSettings
from debusine.converter.structure import InvalidFields
from debusine.db.database import Database
from debusine.domain.errors import Invalid
from debusine.services.administration import OPERATOR, perform, wants_methods
from debusine.services.channels import ChannelExists, InvalidChannelName, NoSuchChannel
from debusine.services.event_reactions import NonExistingChannels, OverridesNotAllowed
from debusine.services.notification_methods import MethodNotUsable, Methods, UnknownMethod, configure
from debusine.testing import MemoryNotificationMethod, plugin_manager
from tests.notifying import add_channel, ask, entries, queue, reaction
from tests.work import Workshop

REGISTRY = plugin_manager(notification_methods=[Email, MemoryNotificationMethod]).notification_methods()
METHODS = configure({"email": MethodSettings(options={"server": "mail.example.org"})}, REGISTRY, {})
EMAIL: dict[str, Any] = {"from": "farm@example.org", "to": ["alice@example.org"]}


async def perform_(database: Database, command: str, methods: Methods = METHODS, **arguments: Any) -> Any:
    return await database.write(perform, OPERATOR, command, arguments, methods)


async def create(database: Database, name: str = "mail", data: Any = EMAIL, **more: Any) -> Any:
    return await perform_(database, "channel create", name=name, method="email", data=data, **more)


class TestMaking:
    async def test_a_channel_is_made_listed_and_deleted(self, database: Database) -> None:
        data = {**EMAIL, "cc": ["bob@example.org"], "subject": "$work_request_id"}
        made = await create(database, data=data, allow_overrides=True)
        listed = await perform_(database, "channel list")
        gone = await perform_(database, "channel delete", name="mail")

        assert made == {"name": "mail", "method": "email", "allow_overrides": True, "data": data}
        assert listed == [made]
        assert gone == {"name": "mail", "given_up": 0}
        assert await perform_(database, "channel list") == []

    WRONG: Sequence[tuple[Any, str]] = (
        ({"to": ["alice@example.org"]}, "data"),
        ({"from": "farm@example.org"}, "data"),
        ({**EMAIL, "to": []}, "data.to"),
        ({**EMAIL, "to": "alice@example.org"}, "data.to"),
        ({**EMAIL, "to": ["alice@example.org", "Bob <bob@example.org>"]}, "data.to[1]"),
        ({**EMAIL, "cc": ["a@b\nBcc: c@d"]}, "data.cc[0]"),
        ({**EMAIL, "from": "farm@"}, "data.from"),
        ({**EMAIL, "subject": 1}, "data.subject"),
        ({**EMAIL, "to": ["a@b"] * 101}, "data.to"),
        ({**EMAIL, "bcc": ["a@b"]}, "data"),
    )

    async def test_data_that_does_not_fit_is_refused_with_its_place(self, database: Database) -> None:
        for data, path in self.WRONG:
            with pytest.raises(InvalidFields) as caught:
                await create(database, data=data)

            assert list(caught.value.validation_errors or {}) == [path]
        assert await perform_(database, "channel list") == []

    async def test_a_name_is_taken_once(self, database: Database) -> None:
        await create(database)

        with pytest.raises(ChannelExists, match="channel delete mail"):
            await create(database)

    async def test_a_name_that_the_protocol_does_not_know_is_refused(self, database: Database) -> None:
        for name in ("", "1st", "a b", "a" * 21, "é", "a\n", "-a"):
            with pytest.raises(InvalidChannelName):
                await create(database, name)

    async def test_an_unknown_method_is_told_with_those_that_are_there(self, database: Database) -> None:
        with pytest.raises(UnknownMethod, match="there are: email, memory"):
            await perform_(database, "channel create", name="p", method="pigeon", data={})

    async def test_a_method_that_is_not_configured_is_told_with_what_to_configure(self, database: Database) -> None:
        with pytest.raises(MethodNotUsable, match=r"notifications\.email\.options\.server: This field is required"):
            await perform_(
                database, "channel create", configure({}, REGISTRY, {}), name="m", method="email", data=EMAIL
            )

    async def test_a_method_without_settings_needs_no_configuration(self, database: Database) -> None:
        methods = configure({}, REGISTRY, {})

        assert await perform_(database, "channel create", methods, name="m", method="memory", data={})

    async def test_what_is_not_there_cannot_be_deleted(self, database: Database) -> None:
        await create(database)

        with pytest.raises(NoSuchChannel, match="there are: mail"):
            await perform_(database, "channel delete", name="post")

    def test_only_the_making_of_a_channel_needs_the_methods(self) -> None:
        assert wants_methods("channel create")
        assert not wants_methods("channel list")
        assert not wants_methods("no such command")


class TestNotifications:
    async def test_deleting_a_channel_says_how_many_it_costs(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        await queue(workshop, 3)

        assert (await perform_(workshop.database, "channel delete", name="mail"))["given_up"] == 3

        rows = await perform_(workshop.database, "notification list", failed=True)
        assert [(row["state"], row["error"]) for row in rows] == [("dead", "The channel mail was deleted")] * 3

    async def test_they_are_listed_newest_first(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)
        waiting = await queue(workshop, 3)

        rows = await perform_(workshop.database, "notification list", limit=2)

        assert [row["id"] for row in rows] == [waiting[2].id, waiting[1].id]
        assert (rows[0]["event"], rows[0]["channel"], rows[0]["tries"]) == ("on_creation", "mail", 0)
        assert await perform_(workshop.database, "notification list", failed=True) == []


class TestSubmissions:
    async def test_what_a_channel_allows_is_taken(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, method="email", **EMAIL)
        await add_channel(workshop.database, "open", method="email", allow_overrides=True, **EMAIL)
        theirs = {"from": "me@example.net", "to": ["you@example.net"], "cc": ["bob@example.net"], "subject": "Hi"}
        await ask(workshop, {"on_creation": [reaction(subject="Hello"), reaction("open", **theirs)]}, METHODS)

        assert [each.overrides for each in await entries(workshop.database)] == [{"subject": "Hello"}, theirs]

    async def test_a_strict_channel_goes_to_nobody_else(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, method="email", **EMAIL)
        others: Sequence[dict[str, Any]] = ({"from": "a@b"}, {"to": ["a@b"]}, {"cc": ["a@b"]}, {"to": []})

        for data in others:
            with pytest.raises(OverridesNotAllowed):
                await ask(workshop, {"on_success": [reaction(**data)]}, METHODS)

    WRONG: Sequence[dict[str, Any]] = (
        {"to": ["mallory@example.org\r\nBcc: x@y"]},
        {"to": ["nobody"]},
        {"to": []},
        {"from": "A <a@b>"},
        {"subject": ""},
        {"subject": "x" * 501},
        {"to": ["a@b"] * 51, "cc": ["a@b"] * 50},
        {"to": [1]},
        {"bcc": ["a@b"]},
    )

    async def test_what_the_method_does_not_take_is_refused_at_once(self, workshop: Workshop) -> None:
        await add_channel(workshop.database, method="email", allow_overrides=True, **EMAIL)

        for data in self.WRONG:
            with pytest.raises(Invalid, match="Invalid event_reactions"):
                await ask(workshop, {"on_success": [{**reaction(), "data": data}]}, METHODS)
        assert await entries(workshop.database) == []

    async def test_too_many_reactions_are_refused(self, workshop: Workshop) -> None:
        await add_channel(workshop.database)

        with pytest.raises(Invalid, match="more than 20 items"):
            await ask(workshop, {"on_success": [reaction()] * 21}, METHODS)

    async def test_a_channel_that_nobody_made_is_refused(self, workshop: Workshop) -> None:
        with pytest.raises(NonExistingChannels, match=r"Non-existing channels: \['mail', 'post'\]"):
            await ask(workshop, {"on_success": [reaction("post")], "on_failure": [reaction("mail")]}, METHODS)
