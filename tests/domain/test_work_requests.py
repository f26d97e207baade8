from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from debusine.domain.errors import IllegalTransition
from debusine.domain.work_requests import (
    MAX_ATTEMPTS,
    Attempt,
    Outcome,
    Result,
    StaleAttempt,
    Status,
    WorkRequest,
)

AT = datetime(2025, 1, 1, tzinfo=UTC)

PENDING = WorkRequest(id=7, workspace=1, created_by=1, created_at=AT, task_name="noop", task_data={}, demand=1)
BLOCKED = evolve(PENDING, status=Status.BLOCKED)
ASSIGNED = PENDING.assign_worker(3, at=AT, dynamic_task_data={"id": 9}, inputs=(9,))
RUNNING = ASSIGNED.mark_running(at=AT)
COMPLETED = RUNNING.mark_completed(Result.SUCCESS, attempt=1, at=AT)
ABORTED = RUNNING.mark_aborted(at=AT, by=5)

STATES = {
    "blocked": BLOCKED,
    "pending": PENDING,
    "assigned": ASSIGNED,
    "running": RUNNING,
    "completed": COMPLETED,
    "aborted": ABORTED,
}

Change = Callable[[WorkRequest], WorkRequest]

#: Every change, and from which states to which it leads.
CHANGES: dict[str, tuple[Change, dict[str, str]]] = {
    "assign": (
        lambda one: one.assign_worker(3, at=AT, dynamic_task_data={"id": 9}, inputs=(9,)),
        {"pending": "assigned"},
    ),
    "unassign": (WorkRequest.unassign, {"assigned": "pending"}),
    "run": (lambda one: one.mark_running(at=AT), {"assigned": "running"}),
    "complete": (lambda one: one.mark_completed(Result.SUCCESS, attempt=1, at=AT), {"running": "completed"}),
    "time out": (lambda one: one.mark_timed_out(at=AT), {"running": "completed"}),
    "give back": (WorkRequest.give_back, {"running": "pending"}),
    "lose": (lambda one: one.lose_attempt(at=AT), {"running": "pending"}),
    "cannot run": (lambda one: one.mark_unrunnable("gone", at=AT), {"pending": "completed"}),
    "unblock": (WorkRequest.unblock, {"blocked": "pending"}),
    "abort": (
        lambda one: one.mark_aborted(at=AT, by=5),
        {"blocked": "aborted", "pending": "aborted", "assigned": "aborted", "running": "aborted"},
    ),
}


def state_of(work_request: WorkRequest) -> str:
    if work_request.status is Status.PENDING and work_request.worker is not None:
        return "assigned"
    return work_request.status.value


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("state", STATES)
def test_a_change_is_possible_where_it_is_drawn_and_nowhere_else(state: str, change: str) -> None:
    act, ways = CHANGES[change]
    if state in ways:
        assert state_of(act(STATES[state])) == ways[state]
        return
    with pytest.raises(IllegalTransition):
        act(STATES[state])


def test_a_refused_change_names_the_work_request_and_its_state() -> None:
    with pytest.raises(IllegalTransition, match="Work request 7 is completed and cannot become aborted"):
        COMPLETED.mark_aborted(at=AT)


class TestAttempts:
    def test_the_number_rises_when_work_is_fetched(self) -> None:
        assert (ASSIGNED.attempt, RUNNING.attempt) == (0, 1)
        assert (RUNNING.give_back().attempt, again(RUNNING.give_back()).attempt) == (1, 2)

    @pytest.mark.parametrize("attempt", [0, 2, -1])
    def test_results_of_another_attempt_are_stale(self, attempt: int) -> None:
        with pytest.raises(StaleAttempt, match="1 is current"):
            RUNNING.mark_completed(Result.SUCCESS, attempt=attempt, at=AT)

    def test_what_was_resolved_for_an_attempt_goes_with_it(self) -> None:
        back = RUNNING.give_back()

        assert (RUNNING.inputs, RUNNING.dynamic_task_data) == ((9,), {"id": 9})
        assert (back.inputs, back.dynamic_task_data, back.worker, back.started_at) == ((), None, None, None)

    def test_an_assignment_that_is_taken_back_leaves_nothing(self) -> None:
        assert ASSIGNED.unassign() == PENDING

    def test_the_last_loss_completes_it_with_the_reason(self) -> None:
        one = RUNNING
        for _ in range(MAX_ATTEMPTS - 1):
            one = again(one.lose_attempt(at=AT))
        lost = one.lose_attempt(at=AT)

        assert (one.attempt, lost.status, lost.result) == (MAX_ATTEMPTS, Status.COMPLETED, Result.ERROR)
        assert lost.output_data is not None
        assert lost.output_data["errors"][0]["code"] == "attempts-exhausted"

    def test_one_that_takes_too_long_ends_with_the_reason(self) -> None:
        done = RUNNING.mark_timed_out(at=AT)

        assert done.output_data == {
            "errors": [{"message": "Attempt 1 did not end within 21600 seconds", "code": "timeout"}]
        }

    def test_an_attempt_ends_once(self) -> None:
        attempt = Attempt(id=1, work_request=7, number=1, worker=3, started_at=AT).end(Outcome.LOST, at=AT)

        with pytest.raises(IllegalTransition):
            attempt.end(Outcome.COMPLETED, at=AT)

    def test_a_release_is_told_once(self) -> None:
        attempt = Attempt(id=1, work_request=7, number=1, worker=3, started_at=AT).release(at=AT)

        assert attempt.release(at=AT + timedelta(hours=1)).released_at == AT

    @pytest.mark.parametrize(
        ("changes", "current"),
        [({}, True), ({"number": 2}, False), ({"worker": 4}, False), ({"work_request": 8}, False)],
    )
    def test_only_the_attempt_that_runs_is_current(self, changes: dict[str, Any], current: bool) -> None:
        attempt = Attempt(id=1, work_request=7, number=1, worker=3, started_at=AT)

        assert RUNNING.is_current(evolve(attempt, **changes)) is current
        assert not COMPLETED.is_current(attempt)


class TestEnds:
    @pytest.mark.parametrize("state", ["completed", "aborted"])
    def test_an_end_is_final(self, state: str) -> None:
        assert STATES[state].finished
        assert not [change for change, (_, ways) in CHANGES.items() if state in ways]

    def test_nothing_completes_without_a_result(self) -> None:
        with pytest.raises(IllegalTransition):
            RUNNING.mark_completed(Result.NONE, attempt=1, at=AT)

    def test_only_what_completed_unblocks_others(self) -> None:
        assert [state for state, one in STATES.items() if one.unblocks_dependents] == ["completed"]

    def test_the_duration_is_that_of_the_last_attempt(self) -> None:
        later = again(RUNNING.give_back(), at=AT + timedelta(seconds=100))
        done = later.mark_completed(Result.FAILURE, attempt=2, at=AT + timedelta(seconds=130))

        assert (done.duration, RUNNING.duration, PENDING.duration) == (30.0, None, None)

    def test_an_abort_remembers_who_wanted_it(self) -> None:
        assert (ABORTED.aborted_by, ABORTED.completed_at, ABORTED.worker) == (5, AT, None)


def test_the_effective_priority_is_the_sum() -> None:
    assert evolve(PENDING, priority_base=10, priority_adjustment=-3).priority == 7


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="created_at must have a time zone"):
        evolve(PENDING, created_at=datetime(2025, 1, 1))  # noqa: DTZ001 - the mistake


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=30))
def test_no_way_through_the_states_breaks_the_rules(steps: list[str]) -> None:
    one, ends, attempts = PENDING, 0, 0
    for step in steps:
        before, attempt = one, one.attempt
        try:
            one = complete_current(one) if step == "complete" else CHANGES[step][0](one)
        except IllegalTransition:
            continue
        ends += one.finished
        attempts += step == "run"
        assert one.attempt == attempts >= attempt
        assert not before.finished
        assert (one.completed_at is not None) == one.finished
        assert (one.result is not Result.NONE) == (one.status is Status.COMPLETED)
        assert one.status is not Status.RUNNING or one.worker is not None
    assert ends <= 1


def complete_current(one: WorkRequest) -> WorkRequest:
    return one.mark_completed(Result.FAILURE, attempt=one.attempt, at=AT)


def again(one: WorkRequest, at: datetime = AT) -> WorkRequest:
    return one.assign_worker(4, at=at, dynamic_task_data={}, inputs=()).mark_running(at=at)
