"""Worker processes: they alone import scikit-learn-intelex, which cannot share a process with OpenVINO."""

import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from pathlib import Path

import threadpoolctl
from joblib.externals.loky import ProcessPoolExecutor, process_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from headroom.errors import HeadError
from headroom.heads.cell import FoldScores
from headroom.heads.crossval import Failure, Task, fit_task

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)

Outcomes = dict[str, FoldScores | Failure]


def run_tasks(tasks: Sequence[Task], *, jobs: int) -> Iterator[tuple[Task, Outcomes]]:
    """Fit tasks in worker processes, each as it is done.

    Parameters
    ----------
    tasks : sequence of Task
    jobs : int
        Worker processes.

    Yields
    ------
    task : Task
    outcomes : dict of FoldScores or Failure, by head

    Raises
    ------
    HeadError
        Where a worker was ended from outside, as by the system when memory is short.
    """
    threads, folder = tasks[0].threads, tasks[0].samples.parent
    environment = dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"PYTHONSAFEPATH": "1"}
    start = (threads, folder)
    executor = ProcessPoolExecutor(min(jobs, len(tasks)), initializer=_start_worker, initargs=start, env=environment)
    try:
        waiting = {executor.submit(fit_task, task): task for task in tasks}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenProcessPool as error:
        raise HeadError(
            got="a worker process was ended from outside, probably because memory ran out",
            remedy="run again with fewer --jobs; finished cells are kept",
        ) from error
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def _start_worker(threads: int, folder: Path) -> None:
    """End with the parent, leave Ctrl-C to it, keep what third parties say off the terminal, bound threads."""
    threading.Thread(target=_follow, args=(os.getppid(), folder), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize  # the models of a fold are no leak to restart a worker for
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow writes there from C++
    threadpoolctl.threadpool_limits(threads)


def _follow(parent: int, folder: Path) -> None:
    """Leave neither a worker nor the mapped files behind a parent that was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
