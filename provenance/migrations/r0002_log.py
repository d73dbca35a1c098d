"""The append-only log, what is needed to erase personal data, and an event for each video that is there already."""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session, defer

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the log; take the videos of the registry into it in the order of their registration."""
    op.add_column("seals", sa.Column("owner", sa.String(200)))
    op.add_column("seals", sa.Column("salt", sa.LargeBinary))
    op.add_column("seals", sa.Column("erased_at", sa.DateTime(timezone=True)))
    op.create_table(
        "log",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("video_id", sa.String(16), nullable=False, index=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("root", sa.String(64), nullable=False),
    )
    head = op.create_table(
        "log_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("peaks", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "size": 0, "peaks": b""}])
    _adopt()


def _adopt() -> None:
    from provenance.log import append
    from provenance.tables import SealRow

    with Session(op.get_bind()) as session:
        known = sa.select(SealRow).options(defer(SealRow.noise))  # a column that is not there yet
        for row in session.scalars(known.order_by(SealRow.created_at)):
            row.salt = os.urandom(16)
            append(session, "adopt", row)
        session.flush()


def downgrade() -> None:
    """Remove the log."""
    op.drop_table("log_head")
    op.drop_table("log")
    for column in ("erased_at", "salt", "owner"):
        op.drop_column("seals", column)
