"""A step on a few rows, so that all kernels of a training are compiled before it begins.

So the speed of the first epoch is that of training.  Compiling takes some 8 seconds, see
`kernel_processes`; later trainings load the result.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import numpy as np

from ooc_train.file.gathering import gather
from ooc_train.kernel_processes import collect_seldom
from ooc_train.kinds import Layout
from ooc_train.reading.rows import Batch, DenseRows, Rows, SparseRows
from ooc_train.subprocesses import end_first, python_command
from ooc_train.training.models.network import Network
from ooc_train.training.steps.dense_steps import DenseTrainer
from ooc_train.training.steps.networks import NetworkEvaluator
from ooc_train.training.steps.sparse_steps import CATCH_UP_STEPS, SparseTrainer
from ooc_train.training.steps.trainer import StepOptions, Trainer

COLUMN_DTYPE = "uint16"
"""The type of the numbers of up to 65,536 columns."""
_SEED, _DROPOUT = 0, 0.5


def prepare_kernels(like: Rows) -> None:
    """Have all kernels compiled that train a network on rows ``like`` these."""
    columns = like.indices.dtype.name if isinstance(like, SparseRows) else COLUMN_DTYPE
    _step(like.layout, columns)


@contextlib.contextmanager
def compiling(layout: Layout, column_dtype: str = COLUMN_DTYPE) -> Iterator[None]:
    """Compile in another process meanwhile, and wait for it in the end.

    ``column_dtype`` is the type of the numbers of columns, where rows are sparse.

    Nothing tells if it fails: what it has not compiled is compiled where it is first needed.
    """
    with subprocess.Popen(
        python_command(__name__, [layout, column_dtype]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        end_first(process.pid)
        try:
            yield
            process.wait()
        except BaseException:
            process.kill()
            raise


def main() -> int:
    """Compile for the layout, and the type of columns, that the arguments name."""
    collect_seldom()
    layout, column_dtype = sys.argv[1:]
    _step(cast(Layout, layout), column_dtype)
    return 0


def _step(layout: Layout, column_dtype: str) -> None:
    """Train on a few rows, and evaluate them."""
    batch = Batch(_rows(layout, column_dtype), np.array([0, 1, 2]))
    network, options = Network([4, 2, 3], _DROPOUT, _SEED), StepOptions(global_clipnorm=1.0)
    trainer: Trainer = (DenseTrainer if layout == "dense" else SparseTrainer)(network, options)
    trainer.n_steps = CATCH_UP_STEPS - 1
    trainer.step(trainer.prepare(batch, 0))
    trainer.sync()
    NetworkEvaluator(network)(batch)


def _rows(layout: Layout, column_dtype: str) -> Rows:
    """Three rows, gathered from a part of a file that is mapped."""
    indptr = np.array([0, 1, 2, 4])
    mapped = np.ones(4, np.float32)
    values = gather(mapped.ctypes.data + 4 * indptr[:-1], mapped.dtype, indptr)
    if layout == "dense":
        return DenseRows(np.ones((3, 4), np.float32))
    return SparseRows(indptr, np.array([0, 1, 2, 3], column_dtype), values, n_columns=4)


if __name__ == "__main__":
    sys.exit(main())
