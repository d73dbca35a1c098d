"""The Alembic environment of all rooms; their revisions are theirs."""
