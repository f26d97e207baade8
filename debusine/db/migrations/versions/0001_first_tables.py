"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from debusine.db.types import JSON, Id, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _demands()
    _file_stores()
    _files()
    _notification_channels()
    _servers()
    _users()
    _files_in_stores()
    _tokens()
    _workspaces()
    _workers()
    _workspace_file_stores()
    _work_requests()
    _artifacts()
    _attempts()
    _work_request_dependencies()
    _artifact_relations()
    _files_in_artifacts()
    _file_uploads()


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    key = (sa.Column("id", Id, nullable=False), sa.PrimaryKeyConstraint("id", name=f"pk_{name}"))
    op.create_table(name, *key, *parts, sqlite_autoincrement=True)


def _partial(name: str, table: str, columns: list[Any], *, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _demands() -> None:
    _table(
        "demands",
        sa.Column("digest", Text(64), nullable=False),
        sa.Column("canonical", Text(), nullable=False),
        sa.UniqueConstraint("digest", name="uq_demands_digest"),
    )


def _file_stores() -> None:
    _table(
        "file_stores",
        sa.Column("name", Text(255), nullable=False),
        sa.Column("backend", Text(255), nullable=False),
        sa.Column("configuration", JSON, nullable=False),
        sa.UniqueConstraint("name", name="uq_file_stores_name"),
    )


def _files() -> None:
    _table(
        "files",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
    )
    _partial("uq_files_live_content", "files", ["sha256", "size"], where="state = 'live'", unique=True)


def _notification_channels() -> None:
    _table(
        "notification_channels",
        sa.Column("name", Text(20), nullable=False),
        sa.Column("method", Text(255), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("allow_overrides", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("name", name="uq_notification_channels_name"),
    )


def _servers() -> None:
    _table(
        "servers",
        sa.Column("name", Text(255), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("name", name="uq_servers_name"),
    )


def _users() -> None:
    _table(
        "users",
        sa.Column("username", Text(150), nullable=False),
        sa.Column("email", Text(254), nullable=False),
        sa.Column("password", Text(), nullable=True),
        sa.Column("is_superuser", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("date_joined", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_login", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )


def _files_in_stores() -> None:
    _table(
        "files_in_stores",
        sa.Column("store", Id, nullable=False),
        sa.Column("file", Id, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(["file"], ["files.id"], name="fk_files_in_stores_file_files"),
        sa.ForeignKeyConstraint(["store"], ["file_stores.id"], name="fk_files_in_stores_store_file_stores"),
        sa.UniqueConstraint("store", "file", name="uq_files_in_stores_store_file"),
    )
    op.create_index("ix_files_in_stores_file", "files_in_stores", ["file"])


def _tokens() -> None:
    _table(
        "tokens",
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("hash", Text(64), nullable=False),
        sa.Column("comment", Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("user", Id, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_tokens_user_users", ondelete="CASCADE"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_index("ix_tokens_user", "tokens", ["user"])


def _workspaces() -> None:
    _table(
        "workspaces",
        sa.Column("name", Text(255), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("default_expiration_delay", sa.BigInteger(), nullable=True),
        sa.Column("default_file_store", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["default_file_store"], ["file_stores.id"], name="fk_workspaces_default_file_store_file_stores"
        ),
        sa.UniqueConstraint("name", name="uq_workspaces_name"),
    )


def _workers() -> None:
    _table(
        "workers",
        sa.Column("name", Text(255), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("server", Id, nullable=True),
        sa.Column("connection", sa.Integer(), nullable=False),
        sa.Column("static_metadata", JSON, nullable=False),
        sa.Column("dynamic_metadata", JSON, nullable=False),
        sa.Column("dynamic_metadata_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token", Id, nullable=True),
        sa.ForeignKeyConstraint(["server"], ["servers.id"], name="fk_workers_server_servers", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["token"], ["tokens.id"], name="fk_workers_token_tokens", ondelete="SET NULL"),
        sa.UniqueConstraint("name", name="uq_workers_name"),
        sa.UniqueConstraint("token", name="uq_workers_token"),
    )
    op.create_index("ix_workers_server", "workers", ["server"])


def _workspace_file_stores() -> None:
    op.create_table(
        "workspace_file_stores",
        sa.Column("workspace", Id, nullable=False),
        sa.Column("store", Id, nullable=False),
        sa.ForeignKeyConstraint(["store"], ["file_stores.id"], name="fk_workspace_file_stores_store_file_stores"),
        sa.ForeignKeyConstraint(
            ["workspace"], ["workspaces.id"], name="fk_workspace_file_stores_workspace_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace", "store", name="pk_workspace_file_stores"),
    )


def _work_requests() -> None:
    _table(
        "work_requests",
        sa.Column("workspace", Id, nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("task_type", sa.String(32), nullable=False),
        sa.Column("task_name", Text(100), nullable=False),
        sa.Column("task_data", JSON, nullable=False),
        sa.Column("dynamic_task_data", JSON, nullable=True),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("demand", Id, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("result", sa.String(32), nullable=False),
        sa.Column("worker", Id, nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("priority_base", sa.Integer(), nullable=False),
        sa.Column("priority_adjustment", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("event_reactions", JSON, nullable=False),
        sa.Column("workflow_data", JSON, nullable=False),
        sa.Column("output_data", JSON, nullable=True),
        sa.Column("aborted_by", Id, nullable=True),
        sa.Column("supersedes", Id, nullable=True),
        sa.Column("timeout", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["aborted_by"], ["users.id"], name="fk_work_requests_aborted_by_users"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_work_requests_created_by_users"),
        sa.ForeignKeyConstraint(["demand"], ["demands.id"], name="fk_work_requests_demand_demands"),
        sa.ForeignKeyConstraint(["supersedes"], ["work_requests.id"], name="fk_work_requests_supersedes_work_requests"),
        sa.ForeignKeyConstraint(["worker"], ["workers.id"], name="fk_work_requests_worker_workers"),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.id"], name="fk_work_requests_workspace_workspaces"),
    )
    _partial("ix_work_requests_completed_at", "work_requests", ["completed_at"], where="status = 'completed'")
    _partial(
        "ix_work_requests_in_hand",
        "work_requests",
        ["worker"],
        where="status IN ('pending', 'running') AND worker IS NOT NULL",
    )
    _partial(
        "ix_work_requests_queue",
        "work_requests",
        ["demand", "workspace", sa.literal_column("priority DESC"), "id"],
        where="status = 'pending' AND worker IS NULL",
    )
    _partial("ix_work_requests_supersedes", "work_requests", ["supersedes"], where="supersedes IS NOT NULL")
    op.create_index("ix_work_requests_workspace_id", "work_requests", ["workspace", "id"])


def _artifacts() -> None:
    _table(
        "artifacts",
        sa.Column("category", Text(255), nullable=False),
        sa.Column("workspace", Id, nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", Id, nullable=True),
        sa.Column("created_by_work_request", Id, nullable=True),
        sa.Column("created_by_attempt", sa.Integer(), nullable=True),
        sa.Column("attached", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_artifacts_created_by_users"),
        sa.ForeignKeyConstraint(
            ["created_by_work_request"], ["work_requests.id"], name="fk_artifacts_created_by_work_request_work_requests"
        ),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.id"], name="fk_artifacts_workspace_workspaces"),
    )
    _partial(
        "ix_artifacts_created_by_work_request",
        "artifacts",
        ["created_by_work_request"],
        where="created_by_work_request IS NOT NULL",
    )
    _partial("ix_artifacts_expire_at", "artifacts", ["expire_at"], where="expire_at IS NOT NULL")
    op.create_index("ix_artifacts_workspace_id", "artifacts", ["workspace", "id"])


def _attempts() -> None:
    _table(
        "attempts",
        sa.Column("work_request", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", Id, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(32), nullable=True),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["work_request"], ["work_requests.id"], name="fk_attempts_work_request_work_requests"),
        sa.ForeignKeyConstraint(["worker"], ["workers.id"], name="fk_attempts_worker_workers"),
        sa.UniqueConstraint("work_request", "number", name="uq_attempts_work_request_number"),
    )
    _partial("ix_attempts_unreleased", "attempts", ["worker"], where="released_at IS NULL")
    op.create_index("ix_attempts_worker_id", "attempts", ["worker", "id"])


def _work_request_dependencies() -> None:
    op.create_table(
        "work_request_dependencies",
        sa.Column("work_request", Id, nullable=False),
        sa.Column("depends_on", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["depends_on"], ["work_requests.id"], name="fk_work_request_dependencies_depends_on_work_requests"
        ),
        sa.ForeignKeyConstraint(
            ["work_request"], ["work_requests.id"], name="fk_work_request_dependencies_work_request_work_requests"
        ),
        sa.PrimaryKeyConstraint("work_request", "depends_on", name="pk_work_request_dependencies"),
    )
    op.create_index("ix_work_request_dependencies_depends_on", "work_request_dependencies", ["depends_on"])


def _artifact_relations() -> None:
    _table(
        "artifact_relations",
        sa.Column("artifact", Id, nullable=False),
        sa.Column("target", Id, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.id"], name="fk_artifact_relations_artifact_artifacts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["target"], ["artifacts.id"], name="fk_artifact_relations_target_artifacts", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("artifact", "target", "type", name="uq_artifact_relations_artifact_target_type"),
    )
    op.create_index("ix_artifact_relations_target", "artifact_relations", ["target"])


def _files_in_artifacts() -> None:
    _table(
        "files_in_artifacts",
        sa.Column("artifact", Id, nullable=False),
        sa.Column("file", Id, nullable=False),
        sa.Column("path", Text(500), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("content_type", Text(255), nullable=True),
        sa.ForeignKeyConstraint(
            ["artifact"], ["artifacts.id"], name="fk_files_in_artifacts_artifact_artifacts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["file"], ["files.id"], name="fk_files_in_artifacts_file_files"),
        sa.UniqueConstraint("artifact", "path", name="uq_files_in_artifacts_artifact_path"),
    )
    op.create_index("ix_files_in_artifacts_file", "files_in_artifacts", ["file"])


def _file_uploads() -> None:
    _table(
        "file_uploads",
        sa.Column("file_in_artifact", Id, nullable=False),
        sa.Column("path", Text(255), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_in_artifact"],
            ["files_in_artifacts.id"],
            name="fk_file_uploads_file_in_artifact_files_in_artifacts",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("file_in_artifact", name="uq_file_uploads_file_in_artifact"),
    )
    op.create_index("ix_file_uploads_last_activity_at", "file_uploads", ["last_activity_at"])
