"""Alembic's way in: the connection, and its transaction, come from whoever asks."""

from alembic import context

from shelfaware.serve.storage.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, transactional_ddl=True)
context.run_migrations()
