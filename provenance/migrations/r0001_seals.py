"""Sealed videos and seals in the making."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "seals",
        sa.Column("video_id", sa.String(16), primary_key=True),
        sa.Column("algorithm", sa.String(100), nullable=False),
        sa.Column("manifest_id", sa.String(200), nullable=False, unique=True),
        sa.Column("claim_sha256", sa.String(64), nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("file_bytes", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("generator", sa.String(200), nullable=False),
        sa.Column("generator_version", sa.String(100), nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("prompt_sha256", sa.String(64)),
        sa.Column("policy", sa.JSON, nullable=False),
        sa.Column("signer", sa.String(200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "pending_seals",
        sa.Column("video_id", sa.String(16), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("folder", sa.String(4096), nullable=False),
        sa.Column("output", sa.String(4096), nullable=False),
    )


def downgrade() -> None:
    """Remove the tables, and with them everything."""
    op.drop_table("pending_seals")
    op.drop_table("seals")
