"""When copies were last read again, copies that are set aside, and uploads that a store takes in parts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from debusine.db.types import JSON, Id, Text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _verified_copies()
    _set_aside_copies()
    _parted_uploads()
    _upload_parts()


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    key = (sa.Column("id", Id, nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{name}"))
    op.create_table(name, *key, *parts, sqlite_autoincrement=True)


def _partial(name: str, table: str, columns: list[Any], *, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=condition, postgresql_where=condition)


def _verified_copies() -> None:
    op.add_column("files_in_stores", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    # Nobody knows of those that are there; the oldest are read first.
    op.execute("UPDATE files_in_stores SET verified_at = '2000-01-01 00:00:00.000000'")
    recreated = {"sqlite_autoincrement": True}
    with op.batch_alter_table("files_in_stores", table_kwargs=recreated) as batch:
        batch.alter_column("verified_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_index("ix_files_in_stores_store_verified_at", "files_in_stores", ["store", "verified_at"])


def _set_aside_copies() -> None:
    _table(
        "set_aside_copies",
        sa.Column("store", Id, nullable=False),
        sa.Column("file", Id, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("detail", Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("remove_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["file"], ["files.id"], name="fk_set_aside_copies_file_files"),
        sa.ForeignKeyConstraint(["store"], ["file_stores.id"], name="fk_set_aside_copies_store_file_stores"),
    )
    op.create_index("ix_set_aside_copies_file", "set_aside_copies", ["file"])
    op.create_index("ix_set_aside_copies_store", "set_aside_copies", ["store"])
    _partial("ix_set_aside_copies_remove_at", "set_aside_copies", ["remove_at"], where="remove_at IS NOT NULL")


def _parted_uploads() -> None:
    _table(
        "parted_uploads",
        sa.Column("upload", Id, nullable=False),
        sa.Column("store", Id, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("tail", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["upload"], ["file_uploads.id"], name="fk_parted_uploads_upload_file_uploads", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["store"], ["file_stores.id"], name="fk_parted_uploads_store_file_stores"),
        sa.UniqueConstraint("upload", name="uq_parted_uploads_upload"),
    )
    op.create_index("ix_parted_uploads_store", "parted_uploads", ["store"])


def _upload_parts() -> None:
    _table(
        "upload_parts",
        sa.Column("upload", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["upload"], ["file_uploads.id"], name="fk_upload_parts_upload_file_uploads", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("upload", "number", name="uq_upload_parts_upload_number"),
    )
