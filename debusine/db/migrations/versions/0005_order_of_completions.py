"""Completions are read in their order, moment and id, from the index alone."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("status = 'completed'")
    op.drop_index("ix_work_requests_completed_at", "work_requests")
    op.create_index(
        "ix_work_requests_completed_at",
        "work_requests",
        ["completed_at", "id"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
