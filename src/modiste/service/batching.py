"""Micro-batching: what arrives while one batch runs makes up the next, so that a busy service does more per call.

Nothing waits for company: a request that comes alone runs at once. One thread runs the batches, because the work (a model, a
scan over all vectors) is faster in one large call than in several small ones side by side.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

AskedT = TypeVar("AskedT")
FoundT = TypeVar("FoundT")


class Busy(Exception):
    """As many are waiting as may wait."""


class Batcher(Generic[AskedT, FoundT]):
    """Runs `function` on batches of what `submit` was given.

    `function` takes at most `size` things and returns as many answers in their order; an answer that is an exception is
    raised to whoever asked. If it raises, each of the batch is tried alone, so that one bad thing spoils no other.
    """

    def __init__(
        self,
        function: Callable[[Sequence[AskedT]], Sequence[FoundT | Exception]],
        *,
        size: int,
        waiting: int,
        name: str,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._function, self._size, self._observe = function, size, observe
        self._queue: queue.Queue[tuple[AskedT, Future[FoundT]] | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, asked: AskedT) -> Future[FoundT]:
        """The answer to come. Raises `Busy` when too many are waiting."""
        future: Future[FoundT] = Future()
        try:
            self._queue.put_nowait((asked, future))
        except queue.Full:
            raise Busy from None
        return future

    def __call__(self, asked: AskedT) -> FoundT:
        """The answer, waited for."""
        return self.submit(asked).result()

    def close(self) -> None:
        """Answer what is waiting, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, closing = [first], False
            while len(batch) < self._size:
                try:
                    one = self._queue.get_nowait()
                except queue.Empty:
                    break
                if one is None:
                    closing = True
                    break
                batch.append(one)
            self._answer([one for one in batch if one[1].set_running_or_notify_cancel()])
            if closing:
                return

    def _answer(self, batch: list[tuple[AskedT, Future[FoundT]]]) -> None:
        if not batch:
            return
        self._observe(len(batch))
        try:
            found = self._function([asked for asked, _ in batch])
            if len(found) != len(batch):
                raise RuntimeError(f"{len(found)} answers to {len(batch)} questions")
        except Exception as error:
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:
                for one in batch:
                    self._answer([one])
            return
        for (_, future), answer in zip(batch, found, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
