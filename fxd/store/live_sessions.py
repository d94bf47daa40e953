"""The sessions of playing in real time."""

from sqlalchemy import select

from fxd.store.database import Database
from fxd.store.records import LiveSession
from fxd.store.rows import insert_for, values_of
from fxd.store.run_rows import environment_id, load_environments
from fxd.store.tables import live_sessions


class LiveSessions(Database):
    """The part of the store that keeps sessions."""

    def keep_live_session(self, session: LiveSession) -> None:
        """Keep a session, or what has become of it since it was kept before."""
        values = values_of(session)
        environment = values.pop("environment")
        with self.write() as connection:
            values["environment_id"] = environment_id(connection, environment)
            connection.execute(
                insert_for(connection)(live_sessions)
                .values(values)
                .on_conflict_do_update(index_elements=[live_sessions.c.id], set_=values)
            )

    def live_sessions(self, last: int) -> list[LiveSession]:
        """The `last` sessions that were begun, newest first."""
        newest_first = live_sessions.c.started_at.desc(), live_sessions.c.id.desc()
        with self.read() as connection:
            rows = (
                connection.execute(select(live_sessions).order_by(*newest_first).limit(last)).mappings().all()
            )
            known = load_environments(connection, {row["environment_id"] for row in rows})
        return [
            LiveSession(
                **{name: value for name, value in row.items() if name != "environment_id"},
                environment=known[row["environment_id"]],
            )
            for row in rows
        ]
