"""The history of jobs."""

import sqlite3
import time

from modules.storage.database import Database, cleaned
from modules.types.jobs import Job


class JobRecords:
    """Any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, job: Job) -> None:
        """Notes and errors may name files, so odd characters are replaced."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO job (id, name, state, progress, note, created, ended, error) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job.id,
                    cleaned(job.name),
                    job.state,
                    job.progress,
                    cleaned(job.note),
                    job.created,
                    job.ended,
                    cleaned(job.error),
                ),
            )

    def newest(self, limit: int) -> list[Job]:
        """Newest first."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT * FROM job ORDER BY created DESC, rowid DESC LIMIT ?", (limit,)
            ).fetchall()
        return [job_of(row) for row in rows]

    def interrupt_running(self) -> None:
        """At the start: what still ran when the program ended has ended with it."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE job SET state = 'interrupted', ended = ? WHERE state = 'running'", (time.time(),)
            )


def job_of(row: sqlite3.Row) -> Job:
    return Job(
        row["id"],
        row["name"],
        row["state"],
        row["progress"],
        row["note"],
        row["created"],
        row["ended"],
        row["error"],
    )
