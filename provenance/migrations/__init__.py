"""Alembic revisions of the registry's schema, oldest first by number."""
