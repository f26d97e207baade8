"""What a worker may still be busy with is found without reading all that it ever did."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    condition = sa.text("released_at IS NULL")
    op.drop_index("ix_attempts_worker_id", "attempts")
    op.drop_index("ix_attempts_unreleased", "attempts")
    op.create_index(
        "ix_attempts_unreleased", "attempts", ["worker", "id"], sqlite_where=condition, postgresql_where=condition
    )
