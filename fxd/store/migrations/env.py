"""Run by Alembic. `fxd.store.schema` hands over a connection whose transaction holds the lock already."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
