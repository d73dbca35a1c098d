"""Alembic environment and revisions of the registry's schema."""
