"""How long something takes, on a machine that has other things to do."""
import threading
import time

TICK = 0.005  # seconds
LEAST = 4     # what took this many times as long as it may was too slow on any machine
WAKES = 4     # processes in turn: a cancel is sent by us, taken by the postmaster, passed on by its child, obeyed by the backend


class Stopwatch:
    """Measures the block of a with statement. A thread that does nothing but sleep sees for how long the machine ran nobody; each
    process that must wake up in turn may be held up as long. That is no delay of PostgreSQL's, so `seconds` leaves it out; `elapsed` is what
    the clock on the wall says."""

    def __enter__(self):
        self.held_up = 0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        self.started = time.monotonic()
        return self

    def __exit__(self, *_):
        self.elapsed = time.monotonic() - self.started
        self.over.set()
        self.watcher.join()
        self.seconds = max(self.elapsed - WAKES * self.held_up, self.elapsed / LEAST)

    def watch(self):
        slept_from = time.monotonic()
        while not self.over.wait(TICK):
            woken = time.monotonic()
            self.held_up += max(0, woken - slept_from - 2 * TICK)
            slept_from = woken
