"""Which try at a job is the present one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("service_jobs", sa.Column("token", sa.String(16)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("service_jobs", "token")
