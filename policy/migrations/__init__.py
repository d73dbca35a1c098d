"""Alembic revisions of the policy's tables, oldest first by number."""
