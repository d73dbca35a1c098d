"""The log and the queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "policy_log",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("user", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
    )
    op.create_table(
        "policy_reviews",
        sa.Column("appeal_id", sa.String(20), primary_key=True),
        sa.Column("user", sa.String(64), primary_key=True),
        sa.Column("prompt", sa.Text),
        sa.Column("prompt_sha256", sa.String(64), nullable=False, index=True),
        sa.Column("decision", sa.JSON, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False, index=True),
        sa.Column("reviewer", sa.String(200)),
        sa.Column("note", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Remove the tables, and with them everything."""
    op.drop_table("policy_reviews")
    op.drop_table("policy_log")
