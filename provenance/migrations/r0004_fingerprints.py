"""Fingerprints of sealed videos, one row a hash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "fingerprints",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("video_id", sa.String(16), nullable=False, index=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("fingerprints")
