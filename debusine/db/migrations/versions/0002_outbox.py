"""What is on its way to people, and every try to deliver it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from debusine.db.types import JSON, Id, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _outbox()
    _deliveries()


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    key = (sa.Column("id", Id, nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{name}"))
    op.create_table(name, *key, *parts, sqlite_autoincrement=True)


def _partial(name: str, columns: list[Any], *, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "outbox", columns, sqlite_where=condition, postgresql_where=condition)


def _outbox() -> None:
    _table(
        "outbox",
        sa.Column("stem", Text(32), nullable=False),
        sa.Column("work_request", Id, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("channel", Id, nullable=True),
        sa.Column("channel_name", Text(20), nullable=False),
        sa.Column("method", Text(255), nullable=False),
        sa.Column("overrides", JSON, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("server", Id, nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", JSON, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["work_request"], ["work_requests.id"], name="fk_outbox_work_request_work_requests", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel"],
            ["notification_channels.id"],
            name="fk_outbox_channel_notification_channels",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name="fk_outbox_server_servers", ondelete="SET NULL"),
    )
    op.create_index("ix_outbox_work_request", "outbox", ["work_request"])
    _partial("ix_outbox_due_at", ["method", "due_at"], where="state = 'waiting'")
    _partial("ix_outbox_channel", ["channel"], where="channel IS NOT NULL")
    _partial("ix_outbox_server", ["server"], where="server IS NOT NULL")
    _partial("ix_outbox_ended_at", ["ended_at"], where="ended_at IS NOT NULL")


def _deliveries() -> None:
    _table(
        "deliveries",
        sa.Column("entry", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("server", Text(255), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("error", Text(), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["outbox.id"], name="fk_deliveries_entry_outbox", ondelete="CASCADE"),
        sa.UniqueConstraint("entry", "number", name="uq_deliveries_entry_number"),
    )
