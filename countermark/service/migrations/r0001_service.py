"""Jobs, batches, keys, quotas, audit log, counters, workers, webhooks and their messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "service_audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(20), nullable=True),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_service_audit_at", "service_audit", ["at"])
    op.create_table(
        "service_batches",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "service_jobs",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("parent", sa.String(60), nullable=True),
        sa.Column("idempotency_key", sa.String(64), nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "idempotency_key"),
    )
    op.create_index("service_jobs_expiry", "service_jobs", ["expires_at"])
    op.create_index("service_jobs_listing", "service_jobs", ["tenant", "kind", "created_at", "id"])
    op.create_index("service_jobs_parent", "service_jobs", ["parent"])
    op.create_index("service_jobs_status", "service_jobs", ["status", "kind"])
    op.create_table(
        "service_keys",
        sa.Column("id", sa.String(20), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("ix_service_keys_tenant", "service_keys", ["tenant"])
    op.create_table(
        "service_quotas",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("queue_limit", sa.Integer(), nullable=True),
        sa.Column("daily_generations", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tenant"),
    )
    op.create_table(
        "service_tallies",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("labels", sa.String(200), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels"),
    )
    op.create_table(
        "service_webhooks",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_service_webhooks_tenant", "service_webhooks", ["tenant"])
    op.create_table(
        "service_workers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("host", sa.String(300), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "service_deliveries",
        sa.Column("id", sa.String(60), nullable=False),
        sa.Column("webhook", sa.String(60), nullable=False),
        sa.Column("event", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(300), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["webhook"], ["service_webhooks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_service_deliveries_webhook", "service_deliveries", ["webhook"])


def downgrade() -> None:
    """Remove the tables, and with them everything."""
    op.drop_table("service_deliveries")
    op.drop_table("service_workers")
    op.drop_table("service_webhooks")
    op.drop_table("service_tallies")
    op.drop_table("service_quotas")
    op.drop_table("service_keys")
    op.drop_table("service_jobs")
    op.drop_table("service_batches")
    op.drop_table("service_audit")
