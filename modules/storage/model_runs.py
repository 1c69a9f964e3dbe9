"""What was predicted of loads and runs, and what they were; and what machines were measured to read."""

from modules.storage.database import Database, cleaned
from modules.types.model_runs import Figure, ModelRun

# Of each figure of a model; older ones say nothing that these do not.
KEPT = 50


class ModelRunStore:
    """Runs belong to the machine they were on, which `machine` names. Any thread may call."""

    def __init__(self, database: Database, machine: str) -> None:
        self._database = database
        self._machine = cleaned(machine)

    def add(self, run: ModelRun) -> None:
        row = (
            self._machine,
            cleaned(run.model_id),
            run.engine,
            run.variant,
            run.figure,
            run.predicted,
            run.actual,
            run.created,
        )
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO model_run (machine, model_id, engine, variant, figure, predicted, actual, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            connection.execute(
                "DELETE FROM model_run WHERE machine = ?1 AND model_id = ?2 AND figure = ?3 AND sequence NOT IN ("
                "SELECT sequence FROM model_run WHERE machine = ?1 AND model_id = ?2 AND figure = ?3 "
                "ORDER BY sequence DESC LIMIT ?4)",
                (self._machine, cleaned(run.model_id), run.figure, KEPT),
            )

    def of_engine(self, engine: str, figure: Figure) -> list[ModelRun]:
        """On this machine, newest first."""
        return self._where("engine = ? AND figure = ?", engine, figure)

    def of_model(self, model_id: str) -> list[ModelRun]:
        """On this machine, newest first."""
        return self._where("model_id = ?", cleaned(model_id))

    def bandwidth(self) -> float:
        """Bytes a second; 0 as long as it was not measured."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT bandwidth FROM machine_probe WHERE machine = ?", (self._machine,)
            ).fetchone()
        return float(row["bandwidth"]) if row else 0.0

    def keep_bandwidth(self, bandwidth: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO machine_probe (machine, bandwidth) VALUES (?, ?)", (self._machine, bandwidth)
            )

    def _where(self, condition: str, *values: str) -> list[ModelRun]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT model_id, engine, variant, figure, predicted, actual, created FROM model_run "
                f"WHERE machine = ? AND {condition} ORDER BY sequence DESC",
                (self._machine, *values),
            ).fetchall()
        return [ModelRun(*row) for row in rows]
