"""What a video that is being sampled looks like so far."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column."""
    op.add_column("service_jobs", sa.Column("preview", sa.Text()))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("service_jobs", "preview")
