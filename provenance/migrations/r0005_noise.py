"""The noise that a sealed video was drawn from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("seals", sa.Column("noise", sa.String(24)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("seals", "noise")
