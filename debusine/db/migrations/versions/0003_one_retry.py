"""A work request is superseded by one other at most."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("supersedes IS NOT NULL")
    op.drop_index("ix_work_requests_supersedes", "work_requests")
    op.create_index(
        "uq_work_requests_supersedes",
        "work_requests",
        ["supersedes"],
        unique=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )
