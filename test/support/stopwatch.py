"""How long something takes, on a machine that has other things to do."""
import threading
import time

TICK = 0.005  # seconds


class Stopwatch:
    """Measures the block of a with statement. A thread that does nothing but sleep sees for how long the machine ran nobody: that is no
    delay of PostgreSQL's, so `seconds` leaves it out. `elapsed` is what the clock on the wall says."""

    def __enter__(self):
        self.paused = 0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        self.started = time.monotonic()
        return self

    def __exit__(self, *_):
        self.elapsed = time.monotonic() - self.started
        self.over.set()
        self.watcher.join()
        self.seconds = self.elapsed - self.paused

    def watch(self):
        slept_from = time.monotonic()
        while not self.over.wait(TICK):
            woken = time.monotonic()
            self.paused += max(0, woken - slept_from - 2 * TICK)
            slept_from = woken
