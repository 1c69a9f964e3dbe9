"""Parquet files, some rows at a time. Only a child process of bounded memory reads them."""

from itertools import count
from pathlib import Path
from typing import Any

from modules.errors import BadRequest
from modules.training.datasets.rows import Row, Rows

BATCH_ROWS = 64


def read_parquet(path: Path, file: str) -> Rows:
    """Imports pyarrow. Raises BadRequest where the file is damaged."""
    from pyarrow.parquet import ParquetFile

    numbers = count(1)
    parquet: Any = ParquetFile
    try:
        with parquet(path) as opened:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for cells in batch.to_pylist():
                    yield Row(next(numbers), cells, file)
    except MemoryError as error:
        raise BadRequest("Some rows of this Parquet file are larger than the memory allowed for reading.") from error
    except Exception as error:
        said = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise BadRequest(f"This Parquet file cannot be read, or no further: {said}.") from error
