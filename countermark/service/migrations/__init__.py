"""Alembic revisions of the service's tables, oldest first by number."""
