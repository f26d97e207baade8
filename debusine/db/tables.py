"""Every table. Columns that name another noun hold its id and bear the noun's name."""

import sqlalchemy as sa

from debusine.db.types import JSON, EnumText, Id, Ids, Instant, Seconds, Text
from debusine.domain.accounts import TokenKind
from debusine.domain.artifacts import RelationType
from debusine.domain.demands import TaskType
from debusine.domain.files import FileState, SetAside
from debusine.domain.notifications import DeliveryOutcome, OutboxState, ReactionEvent
from debusine.domain.work_requests import Outcome, Result, Status

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    # Without AUTOINCREMENT, SQLite gives the last id again after a deletion, and workers cache by artifact id.
    return sa.Table(name, metadata, sa.Column("id", Id, primary_key=True), *parts, sqlite_autoincrement=True)


def _of(column: str, table: str, *, nullable: bool = False, ondelete: str | None = None) -> sa.Column[int]:
    return sa.Column(column, Id, sa.ForeignKey(f"{table}.id", ondelete=ondelete), nullable=nullable)


def _partial(name: str, *columns: object, where: str, unique: bool = False) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)  # type: ignore[arg-type]


users = _table(
    "users",
    sa.Column("username", Text(150), nullable=False, unique=True),
    sa.Column("email", Text(254), nullable=False),
    sa.Column("password", Text(), nullable=True),
    sa.Column("is_superuser", sa.Boolean, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("date_joined", Instant, nullable=False),
    sa.Column("last_login", Instant, nullable=True),
)

tokens = _table(
    "tokens",
    sa.Column("kind", EnumText(TokenKind), nullable=False),
    sa.Column("hash", Text(64), nullable=False, unique=True),
    sa.Column("comment", Text(), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expire_at", Instant, nullable=True),
    sa.Column("last_seen_at", Instant, nullable=True),
    _of("user", "users", nullable=True, ondelete="CASCADE"),
    sa.Index(None, "user"),
)

file_stores = _table(
    "file_stores",
    sa.Column("name", Text(255), nullable=False, unique=True),
    sa.Column("backend", Text(255), nullable=False),
    sa.Column("configuration", JSON, nullable=False),
)

workspaces = _table(
    "workspaces",
    sa.Column("name", Text(255), nullable=False, unique=True),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("default_expiration_delay", Seconds, nullable=True),
    _of("default_file_store", "file_stores"),
)

#: The other stores of workspaces; the default one stands in the workspace.
workspace_file_stores = sa.Table(
    "workspace_file_stores",
    metadata,
    sa.Column("workspace", Id, sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("store", Id, sa.ForeignKey("file_stores.id"), primary_key=True),
)

servers = _table(
    "servers",
    sa.Column("name", Text(255), nullable=False, unique=True),
    sa.Column("started_at", Instant, nullable=False),
    #: By the database's clock.
    sa.Column("beat_at", Instant, nullable=False),
)

workers = _table(
    "workers",
    sa.Column("name", Text(255), nullable=False, unique=True),
    sa.Column("registered_at", Instant, nullable=False),
    sa.Column("connected_at", Instant, nullable=True),
    _of("server", "servers", nullable=True, ondelete="SET NULL"),
    #: How often it has connected; fences what concerns an older socket.
    sa.Column("connection", sa.Integer, nullable=False),
    sa.Column("static_metadata", JSON, nullable=False),
    sa.Column("dynamic_metadata", JSON, nullable=False),
    sa.Column("dynamic_metadata_updated_at", Instant, nullable=True),
    sa.Column("token", Id, sa.ForeignKey("tokens.id", ondelete="SET NULL"), nullable=True, unique=True),
    sa.Index(None, "server"),
)

demands = _table(
    "demands",
    sa.Column("digest", Text(64), nullable=False, unique=True),
    sa.Column("canonical", Text(), nullable=False),
)

work_requests = _table(
    "work_requests",
    _of("workspace", "workspaces"),
    _of("created_by", "users"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("task_type", EnumText(TaskType), nullable=False),
    sa.Column("task_name", Text(100), nullable=False),
    sa.Column("task_data", JSON, nullable=False),
    sa.Column("dynamic_task_data", JSON, nullable=True),
    sa.Column("inputs", Ids, nullable=False),
    _of("demand", "demands"),
    sa.Column("status", EnumText(Status), nullable=False),
    sa.Column("result", EnumText(Result), nullable=False),
    _of("worker", "workers", nullable=True),
    sa.Column("assigned_at", Instant, nullable=True),
    sa.Column("started_at", Instant, nullable=True),
    sa.Column("completed_at", Instant, nullable=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("priority_base", sa.Integer, nullable=False),
    sa.Column("priority_adjustment", sa.Integer, nullable=False),
    #: Base and adjustment together, so that the queue has an index.
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("event_reactions", JSON, nullable=False),
    sa.Column("workflow_data", JSON, nullable=False),
    sa.Column("output_data", JSON, nullable=True),
    _of("aborted_by", "users", nullable=True),
    _of("supersedes", "work_requests", nullable=True),
    sa.Column("timeout", sa.Integer, nullable=False),
)
_partial(
    "ix_work_requests_queue",
    work_requests.c.demand,
    work_requests.c.workspace,
    work_requests.c.priority.desc(),
    work_requests.c.id,
    where="status = 'pending' AND worker IS NULL",
)
_partial(
    "ix_work_requests_in_hand",
    work_requests.c.worker,
    where="status IN ('pending', 'running') AND worker IS NOT NULL",
)
_partial("ix_work_requests_set_aside", work_requests.c.status, where="status IN ('blocked', 'aborted')")
_partial(
    "ix_work_requests_completed_at", work_requests.c.completed_at, work_requests.c.id, where="status = 'completed'"
)
sa.Index("ix_work_requests_workspace_id", work_requests.c.workspace, work_requests.c.id)
_partial("uq_work_requests_supersedes", work_requests.c.supersedes, where="supersedes IS NOT NULL", unique=True)

attempts = _table(
    "attempts",
    _of("work_request", "work_requests"),
    sa.Column("number", sa.Integer, nullable=False),
    _of("worker", "workers"),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("outcome", EnumText(Outcome), nullable=True),
    sa.Column("inputs", Ids, nullable=False),
    sa.Column("released_at", Instant, nullable=True),
    sa.UniqueConstraint("work_request", "number"),
)
# The only index by worker: beside one of all attempts, SQLite would choose that and walk through a worker's whole past.
_partial("ix_attempts_unreleased", attempts.c.worker, attempts.c.id, where="released_at IS NULL")

work_request_dependencies = sa.Table(
    "work_request_dependencies",
    metadata,
    sa.Column("work_request", Id, sa.ForeignKey("work_requests.id"), primary_key=True),
    sa.Column("depends_on", Id, sa.ForeignKey("work_requests.id"), primary_key=True, index=True),
)

artifacts = _table(
    "artifacts",
    sa.Column("category", Text(255), nullable=False),
    _of("workspace", "workspaces"),
    sa.Column("data", JSON, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expire_at", Instant, nullable=True),
    _of("created_by", "users", nullable=True),
    _of("created_by_work_request", "work_requests", nullable=True),
    sa.Column("created_by_attempt", sa.Integer, nullable=True),
    sa.Column("attached", sa.Boolean, nullable=False),
    sa.Index(None, "workspace", "id"),
)
_partial(
    "ix_artifacts_created_by_work_request",
    artifacts.c.created_by_work_request,
    where="created_by_work_request IS NOT NULL",
)
_partial("ix_artifacts_expire_at", artifacts.c.expire_at, where="expire_at IS NOT NULL")

artifact_relations = _table(
    "artifact_relations",
    _of("artifact", "artifacts", ondelete="CASCADE"),
    _of("target", "artifacts", ondelete="CASCADE"),
    sa.Column("type", EnumText(RelationType), nullable=False),
    sa.UniqueConstraint("artifact", "target", "type"),
    sa.Index(None, "target"),
)

files = _table(
    "files",
    sa.Column("sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("state", EnumText(FileState), nullable=False),
)
_partial("uq_files_live_content", files.c.sha256, files.c.size, where="state = 'live'", unique=True)

files_in_artifacts = _table(
    "files_in_artifacts",
    _of("artifact", "artifacts", ondelete="CASCADE"),
    _of("file", "files"),
    sa.Column("path", Text(500), nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("content_type", Text(255), nullable=True),
    sa.UniqueConstraint("artifact", "path"),
    sa.Index(None, "file"),
)

files_in_stores = _table(
    "files_in_stores",
    _of("store", "file_stores"),
    _of("file", "files"),
    sa.Column("data", JSON, nullable=False),
    #: When its bytes were last known to be those of the file.
    sa.Column("verified_at", Instant, nullable=False),
    sa.UniqueConstraint("store", "file"),
    sa.Index(None, "file"),
    sa.Index(None, "store", "verified_at"),
)

#: Objects that do not count any more as copies of their files, and are still there.
set_aside_copies = _table(
    "set_aside_copies",
    _of("store", "file_stores"),
    _of("file", "files"),
    sa.Column("data", JSON, nullable=False),
    sa.Column("reason", EnumText(SetAside), nullable=False),
    sa.Column("detail", Text(), nullable=False),
    sa.Column("since", Instant, nullable=False),
    #: When the object may go; NULL: it is for the operator to look at.
    sa.Column("remove_at", Instant, nullable=True),
    sa.Index(None, "store"),
    sa.Index(None, "file"),
)
_partial("ix_set_aside_copies_remove_at", set_aside_copies.c.remove_at, where="remove_at IS NOT NULL")

file_uploads = _table(
    "file_uploads",
    sa.Column(
        "file_in_artifact",
        Id,
        sa.ForeignKey("files_in_artifacts.id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    sa.Column("path", Text(255), nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("last_activity_at", Instant, nullable=False),
    sa.Index(None, "last_activity_at"),
)

#: Uploads whose bytes are in a store already, part by part.
parted_uploads = _table(
    "parted_uploads",
    sa.Column("upload", Id, sa.ForeignKey("file_uploads.id", ondelete="CASCADE"), nullable=False, unique=True),
    _of("store", "file_stores"),
    #: By which the store finds what was begun.
    sa.Column("data", JSON, nullable=False),
    #: Bytes at the end that are too few for a part: an object of their own.
    sa.Column("tail", JSON, nullable=True),
    sa.Index(None, "store"),
)

upload_parts = _table(
    "upload_parts",
    _of("upload", "file_uploads", ondelete="CASCADE"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    #: What the store needs to know of the part at the end.
    sa.Column("data", JSON, nullable=False),
    sa.UniqueConstraint("upload", "number"),
)

notification_channels = _table(
    "notification_channels",
    sa.Column("name", Text(20), nullable=False, unique=True),
    sa.Column("method", Text(255), nullable=False),
    sa.Column("data", JSON, nullable=False),
    sa.Column("allow_overrides", sa.Boolean, nullable=False),
)

outbox = _table(
    "outbox",
    sa.Column("stem", Text(32), nullable=False),
    _of("work_request", "work_requests", ondelete="CASCADE"),
    sa.Column("event", EnumText(ReactionEvent), nullable=False),
    sa.Column("result", EnumText(Result), nullable=False),
    _of("channel", "notification_channels", nullable=True, ondelete="SET NULL"),
    sa.Column("channel_name", Text(20), nullable=False),
    sa.Column("method", Text(255), nullable=False),
    sa.Column("overrides", JSON, nullable=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("state", EnumText(OutboxState), nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    #: Forgotten with the server: what a dead one had in hand waits again.
    _of("server", "servers", nullable=True, ondelete="SET NULL"),
    #: By the database's clock.
    sa.Column("leased_until", Instant, nullable=True),
    sa.Column("settled", JSON, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("error", Text(), nullable=True),
    sa.Index(None, "work_request"),
)
_partial("ix_outbox_due_at", outbox.c.method, outbox.c.due_at, where="state = 'waiting'")
_partial("ix_outbox_channel", outbox.c.channel, where="channel IS NOT NULL")
_partial("ix_outbox_server", outbox.c.server, where="server IS NOT NULL")
_partial("ix_outbox_ended_at", outbox.c.ended_at, where="ended_at IS NOT NULL")
_partial("ix_outbox_dead", outbox.c.id, where="state = 'dead'")

deliveries = _table(
    "deliveries",
    _of("entry", "outbox", ondelete="CASCADE"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("server", Text(255), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("outcome", EnumText(DeliveryOutcome), nullable=True),
    sa.Column("error", Text(), nullable=True),
    sa.UniqueConstraint("entry", "number"),
)
