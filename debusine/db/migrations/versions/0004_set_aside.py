"""Work requests that are blocked or aborted are counted without reading all others."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("status IN ('blocked', 'aborted')")
    op.create_index(
        "ix_work_requests_set_aside",
        "work_requests",
        ["status"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
