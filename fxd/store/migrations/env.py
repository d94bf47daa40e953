"""Run by Alembic. `fxd.store.schema` hands over a connection whose transaction holds the lock already."""

from alembic import context

# Only while Alembic runs a command is there a configuration; a mere import must migrate nothing.
if hasattr(context, "config"):
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()
