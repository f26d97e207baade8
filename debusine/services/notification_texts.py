"""The texts of notifications: subjects and bodies."""

from string import Template

from debusine.domain.notifications import OutboxEntry, ReactionEvent
from debusine.plugin import Notification
from debusine.services.outbox import Claimed

COMPLETED = "WorkRequest $work_request_id completed in $work_request_result"

#: What a subject says when neither the channel nor the submitter does.
SUBJECTS = {
    ReactionEvent.ON_CREATION: "WorkRequest $work_request_id was created",
    ReactionEvent.ON_UNBLOCK: "WorkRequest $work_request_id was unblocked",
    ReactionEvent.ON_ASSIGNMENT: "WorkRequest $work_request_id was assigned to a worker",
    ReactionEvent.ON_SUCCESS: COMPLETED,
    ReactionEvent.ON_FAILURE: COMPLETED,
}


def compose(claimed: Claimed, recipients: tuple[str, ...], url: str | None) -> Notification:
    """A notification, ready to be sent; ``url``: where the work request can be seen."""
    entry, wanted = claimed.entry, claimed.channel.data.get("subject")
    template = wanted if isinstance(wanted, str) else SUBJECTS[entry.event]
    return Notification(
        message_id=entry.message_id,
        event=entry.event,
        work_request=entry.work_request,
        result=entry.result,
        subject=" ".join(filled(template, entry).split()),
        body=_body(claimed, url),
        recipients=entry.unsettled(recipients),
        created_at=entry.created_at,
    )


def filled(template: str, entry: OutboxEntry) -> str:
    """A template with the facts in the place of its two variables; every other ``$`` stays as it is."""
    return Template(template).safe_substitute(work_request_id=entry.work_request, work_request_result=entry.result)


def _body(claimed: Claimed, url: str | None) -> str:
    what = filled(SUBJECTS[claimed.entry.event], claimed.entry)
    facts = f"{what}\n\nTask: {claimed.work_request.task_name}\nWorkspace: {claimed.workspace}\n"
    return f"Sent by debusine\n\n{facts}" + (f"{url}\n" if url else "")
