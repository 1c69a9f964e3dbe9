"""Parquet files, some rows at a time. Only a child process of bounded memory reads them."""

from itertools import count
from pathlib import Path

from modules.errors import BadRequest
from modules.training.datasets.rows import Row, Rows

BATCH_ROWS = 64


def read_parquet(path: Path, file: str) -> Rows:
    """Imports pyarrow. Raises BadRequest where the file is damaged."""
    import pyarrow
    import pyarrow.parquet

    numbers = count(1)
    try:
        with pyarrow.parquet.ParquetFile(path) as opened:
            for batch in opened.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for cells in batch.to_pylist():
                    yield Row(next(numbers), cells, file)
    except (MemoryError, pyarrow.ArrowMemoryError) as error:
        raise BadRequest("Some rows of this Parquet file are larger than the memory allowed for reading.") from error
    except (pyarrow.ArrowException, OSError, ValueError, RecursionError) as error:
        raise BadRequest(f"This Parquet file cannot be read, or no further: {short(error)}.") from error


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
