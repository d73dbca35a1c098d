"""Manifests and soft bindings that others store here (Soft Binding Resolution API)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "stored_manifests",
        sa.Column("manifest_id", sa.String(200), primary_key=True),
        sa.Column("store", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "bindings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value_sha256", sa.String(64), nullable=False, index=True),
        sa.Column("algorithm", sa.String(100)),
        sa.Column("manifest_id", sa.String(200), nullable=False, index=True),
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("bindings")
    op.drop_table("stored_manifests")
