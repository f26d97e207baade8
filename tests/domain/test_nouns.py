"""Small rules of the other nouns."""

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from debusine.domain.accounts import ANONYMOUS, Subject, Token, TokenKind, User
from debusine.domain.artifacts import Artifact
from debusine.domain.demands import Demand, TaskType, Verdict
from debusine.domain.durations import InvalidDuration, parse_duration
from debusine.domain.errors import DebusineError, StorageFull
from debusine.domain.events import WorkRequestCompleted
from debusine.domain.lookups import MultipleLookup
from debusine.domain.secrets import Secret, key_hash, new_key
from debusine.domain.times import now
from debusine.domain.work_requests import Result, WorkRequest
from debusine.domain.workers import Worker, name_from_fqdn
from debusine.domain.workspaces import Workspace

AT = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORKER = Worker(id=1, name="builder", registered_at=AT)


class TestToken:
    token = Token(id=1, kind=TokenKind.USER, hash="h" * 64, enabled=True, created_at=AT)

    def test_a_token_can_be_disabled_and_enabled(self) -> None:
        assert not self.token.disable().valid(AT)
        assert self.token.disable().enable().valid(AT)

    def test_a_token_ends_at_its_expiry(self) -> None:
        expiring = evolve(self.token, expire_at=AT + HOUR)

        assert [expiring.valid(AT + HOUR * part) for part in (0, 0.99, 1, 2)] == [True, True, False, False]

    def test_its_hash_does_not_show_itself(self) -> None:
        assert "hhh" not in repr(self.token)


class TestSecret:
    def test_a_secret_shows_itself_nowhere(self) -> None:
        secret = Secret("hunter2")

        assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
        assert secret.reveal() == "hunter2"

    def test_secrets_are_equal_when_their_values_are(self) -> None:
        assert (Secret("a") == Secret("a"), Secret("a") == Secret("b"), Secret("a") == "a") == (True, False, False)
        assert len({Secret("a"), Secret("a"), Secret("\u00e9")}) == 2

    def test_a_secret_has_no_dictionary_to_look_into(self) -> None:
        with pytest.raises(TypeError):
            vars(Secret("a"))

    def test_keys_are_256_random_bits(self) -> None:
        keys = {new_key() for _ in range(100)}

        assert len(keys) == 100
        assert {len(bytes.fromhex(key)) for key in keys} == {32}

    @given(st.text())
    def test_anything_that_is_sent_as_a_key_has_a_hash(self, text: str) -> None:
        assert len(key_hash(text)) == 64

    def test_half_a_surrogate_pair_has_a_hash_too(self) -> None:
        assert len(key_hash("\ud800")) == 64


class TestWorker:
    def test_what_the_operator_says_wins(self) -> None:
        worker = evolve(WORKER, static_metadata={"a": 1}, dynamic_metadata={"a": 2, "b": 2})

        assert worker.metadata() == {"a": 1, "b": 2}

    def test_it_is_connected_while_a_server_holds_its_socket(self) -> None:
        connected = WORKER.mark_connected(at=AT, server=4)

        assert (connected.connected(), connected.server, connected.connection) == (True, 4, 1)
        assert not connected.mark_disconnected().connected()

    def test_new_facts_tell_when_they_came(self) -> None:
        told = WORKER.set_dynamic_metadata({"a": 1}, at=AT)

        assert (told.dynamic_metadata, told.dynamic_metadata_updated_at) == ({"a": 1}, AT)

    @pytest.mark.parametrize(
        ("fqdn", "name"),
        [("Builder.Example.ORG", "builder-example-org"), ("a_b..c", "a-b-c"), ("...", "worker"), ("\u65e5", "worker")],
    )
    def test_a_name_is_the_slug_of_the_domain_name(self, fqdn: str, name: str) -> None:
        assert name_from_fqdn(fqdn) == name

    @given(st.text(max_size=400))
    def test_every_name_is_a_slug(self, fqdn: str) -> None:
        name = name_from_fqdn(fqdn)

        assert name
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert len(name) <= 240


class TestSubject:
    def test_nobody_known_is_anonymous(self) -> None:
        assert (ANONYMOUS.anonymous, str(ANONYMOUS)) == (True, "anonymous")

    def test_a_subject_is_named_for_logs(self) -> None:
        user = User(id=1, username="alice", date_joined=AT)

        assert (str(Subject(user=user)), str(Subject(worker=WORKER))) == ("alice", "worker builder")


class TestDemand:
    demand = Demand(task_name="sbuild", version=1, architecture="amd64", requires=("sbuild:available",))

    def test_equal_demands_have_one_canonical_text_and_digest(self) -> None:
        other = Demand(requires=("sbuild:available",), architecture="amd64", version=1, task_name="sbuild")

        assert (self.demand.canonical, self.demand.digest) == (other.canonical, other.digest)

    def test_the_canonical_text_is_the_same_in_years(self) -> None:
        # It is a key of rows that are there already: a change of it is a migration.
        assert self.demand.canonical == (
            '{"architecture":"amd64","requires":["sbuild:available"],'
            '"task_name":"sbuild","task_type":"Worker","version":1}'
        )

    @given(
        st.builds(
            Demand,
            task_type=st.sampled_from(TaskType),
            task_name=st.text(),
            version=st.integers(0, 100),
            architecture=st.none() | st.text(),
            requires=st.lists(st.text()).map(tuple),
        )
    )
    def test_a_demand_is_read_back_from_its_canonical_text(self, demand: Demand) -> None:
        assert Demand.from_canonical(demand.canonical) == demand
        json.loads(demand.canonical)

    def test_a_verdict_without_reasons_fits(self) -> None:
        assert (bool(Verdict()), bool(Verdict(("no",)))) == (True, False)


class TestOthers:
    def test_an_artifact_expires_at_its_moment(self) -> None:
        artifact = Artifact(id=1, category="debusine:test", workspace=1, data={}, created_at=AT, expire_at=AT + HOUR)

        assert [artifact.expired(AT + HOUR * part) for part in (0, 1, 2)] == [False, True, True]
        assert not evolve(artifact, expire_at=None).expired(AT + HOUR * 10**6)

    def test_a_workspace_keeps_its_former_store_in_reach(self) -> None:
        workspace = Workspace(id=1, name="System", default_file_store=1, other_file_stores=(2,))

        assert workspace.with_default_store(3).file_stores == (3, 1, 2)
        assert workspace.with_default_store(2).file_stores == (2, 1)

    def test_no_lookups_are_nothing_to_look_up(self) -> None:
        assert (bool(MultipleLookup()), bool(MultipleLookup((1,)))) == (False, True)

    def test_an_error_reads_as_one_sentence(self) -> None:
        assert str(StorageFull("no room", detail="5 bytes")) == "no room: 5 bytes"
        assert str(DebusineError("no room")) == "no room"

    def test_the_event_of_a_completion_tells_how_it_ended(self) -> None:
        pending = WorkRequest(id=7, workspace=1, created_by=1, created_at=AT, task_name="noop", task_data={}, demand=1)
        running = pending.assign_worker(3, at=AT, dynamic_task_data={}, inputs=()).mark_running(at=AT)
        event = WorkRequestCompleted.of(running.mark_completed(Result.SUCCESS, attempt=1, at=AT))

        assert (event.work_request, event.worker, event.attempt, event.result) == (7, 3, 1, Result.SUCCESS)

    def test_now_is_aware(self) -> None:
        assert now().utcoffset() == timedelta(0)


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("P30D", timedelta(days=30)),
            ("PT12H", timedelta(hours=12)),
            ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
            ("P2W", timedelta(weeks=2)),
            ("3600", HOUR),
            (3600, HOUR),
        ],
    )
    def test_a_duration_is_read(self, text: str | int, expected: timedelta) -> None:
        assert parse_duration(text) == expected

    @pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "P1Y", "-P1D", "-1", "1.5", "1 day", "P1D ", "\u0661"])
    def test_what_is_no_duration_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidDuration):
            parse_duration(text)

    @given(st.text(alphabet="PTWDHMS0123456789.-", max_size=40))
    def test_any_text_is_a_duration_or_refused(self, text: str) -> None:
        with contextlib.suppress(InvalidDuration):
            assert parse_duration(text) >= timedelta(0)
