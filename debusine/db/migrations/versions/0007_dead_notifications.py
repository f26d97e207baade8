"""Notifications that were given up are counted without reading all others."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("state = 'dead'")
    op.create_index("ix_outbox_dead", "outbox", ["id"], sqlite_where=condition, postgresql_where=condition)
