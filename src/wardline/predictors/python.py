"""Any callable model: a function of the feature matrix."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wardline.errors import DeadlineError, PredictorError
from wardline.features import source_hash
from wardline.inference import Batch, Outputs
from wardline.predictor import Site

Model = Callable[[Any], Any]


@dataclass(frozen=True)
class Python:
    """A model that is a Python function: `Python(load, name="forest")`, with `load` returning the function.

    `load()` runs once, when the gate opens, so that importing the gate loads nothing. The function takes
    the float64 matrix (rows, features) and returns a number a row, or probabilities (rows, classes). With
    string features it takes the FeatureBlock instead. Choose ONNX where you can: a run of Python code
    cannot be stopped. With `deadline_ms` it runs in a thread that is given up at the deadline and goes on
    behind it; at most `abandoned` such threads may be outstanding, then the rung refuses.
    """

    load: Callable[[], Model]
    name: str
    deadline_ms: float | None = None
    answers_blocked: bool = False
    abandoned: int = 4
    instant: ClassVar[bool] = False

    def open(self, site: Site) -> OpenPython:
        """Load the function."""
        function = self.load()
        hash_ = source_hash(self.load)
        worker = Worker(self.name, self.abandoned)
        text = bool(site.features.text)
        return OpenPython(self.name, self.name, hash_, function, text, bool(site.classes), worker)


@dataclass(frozen=True)
class OpenPython:
    """A loaded function, ready to answer."""

    name: str
    version: str
    sha256: str
    function: Model
    text: bool
    classify: bool
    worker: Worker

    def predict(self, batch: Batch, deadline: float | None) -> Outputs:
        """Call the function with the whole batch."""
        given = batch.block if self.text else batch.block.matrix
        run = (
            self.function if deadline is None else partial(self.worker.run, self.function, deadline=deadline)
        )
        return _outputs(np.asarray(run(given), dtype=np.float64), self.classify)

    def close(self) -> None:
        """Let the thread go."""
        self.worker.close()


def _outputs(result: NDArray[np.float64], classify: bool) -> Outputs:
    if classify and result.ndim == 2:
        return Outputs(result.argmax(axis=1).astype(np.float64), result)
    return Outputs(result[:, 0] if result.ndim == 2 and result.shape[1] == 1 else result)


@dataclass
class Worker:
    """A thread that runs one call at a time and is left behind when a call outlives its deadline."""

    name: str
    most_abandoned: int
    _tasks: queue.SimpleQueue[Any] | None = field(default=None, init=False)
    _abandoned: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def run(self, function: Model, given: Any, deadline: float) -> Any:
        """Return `function(given)`, or raise DeadlineError and leave the thread to itself."""
        reply: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        with self._lock:
            tasks, self._tasks = self._tasks, None
            if tasks is None:
                if self._abandoned >= self.most_abandoned:
                    raise PredictorError(
                        f"{self.name}: {self._abandoned} calls still hang past their deadline"
                    )
                tasks = queue.SimpleQueue()
                threading.Thread(target=_serve, args=(tasks,), name=f"rung-{self.name}", daemon=True).start()
        tasks.put((function, given, reply))
        try:
            fine, value = reply.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            with self._lock:
                self._abandoned += 1
            tasks.put((self._returned, None, queue.SimpleQueue()))
            tasks.put(None)
            raise DeadlineError(f"{self.name} did not answer by its deadline") from None
        with self._lock:
            if self._tasks is None:
                self._tasks, tasks = tasks, None
        if tasks is not None:  # another call brought its own thread meanwhile: one is enough to keep
            tasks.put(None)
        if not fine:
            raise value
        return value

    def _returned(self, _given: None) -> None:
        with self._lock:
            self._abandoned -= 1

    def close(self) -> None:
        """End the idle thread; one that hangs ends when its call does."""
        with self._lock:
            if self._tasks is not None:
                self._tasks.put(None)
                self._tasks = None


def _serve(tasks: queue.SimpleQueue[Any]) -> None:
    while (task := tasks.get()) is not None:
        function, given, reply = task
        try:
            reply.put((True, function(given)))
        except BaseException as error:
            reply.put((False, error))
