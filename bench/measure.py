"""Measuring two ways to do one thing, and the table of the results.

A machine's speed changes while a benchmark runs. So the two sides of a comparison run in turn, the other one first every
second time, and what counts is the median of the turns' ratios; the lowest and the highest show how sure it is.
"""
import os
import statistics
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Comparison:
    """A line of the table. `wanted` is the highest ratio ours/other, or with `faster` the lowest other/ours; 0: none is."""

    work: str
    other: str
    wanted: float
    faster: bool = False
    ours_seconds: list = field(default_factory=list)
    other_seconds: list = field(default_factory=list)

    def run(self, ours, other, repetitions):
        """run measures both sides, given as functions that return the seconds they took."""
        for turn in range(repetitions):
            sides = [(ours, self.ours_seconds), (other, self.other_seconds)]
            for side, seconds in sides if turn % 2 == 0 else reversed(sides):
                seconds.append(side())
        return self.shown()

    def run_in_pieces(self, ours, other, repetitions):
        """The same for sides that are generators of the seconds of each piece of their work. The pieces run in turn, so that
        what changes the machine's speed for a second or two does so for both sides."""
        for _ in range(repetitions):
            pieces = list(zip(ours(), other(), strict=True))
            self.ours_seconds.append(sum(seconds for seconds, _ in pieces))
            self.other_seconds.append(sum(seconds for _, seconds in pieces))
        return self.shown()

    def shown(self):
        print(f"  {self.work}: {self.ratio()} against {self.other}", flush=True)
        return self

    def ratio(self):
        turns = [self._divide(*pair) for pair in zip(self.ours_seconds, self.other_seconds)]
        median = statistics.median(turns)
        if self.faster:
            return f"{median:.1f} times faster ({min(turns):.1f} to {max(turns):.1f})"
        return f"{median:.2f} ({min(turns):.2f} to {max(turns):.2f})"

    def _divide(self, ours, other):
        return other / ours if self.faster else ours / other

    def cells(self):
        ours, other = (
            f"{statistics.median(s):.3g} s" for s in (self.ours_seconds, self.other_seconds))
        wanted = f"at least {self.wanted:g} times faster" if self.faster else f"at most {self.wanted:g}"
        wanted = wanted if self.wanted else ""
        return [self.work, ours, f"{self.other}: {other}", self.ratio(), wanted]


@dataclass
class Measurement:
    """A line of the table that is not a comparison."""

    work: str
    ours: str
    wanted: str

    def cells(self):
        return [self.work, self.ours, "", "", self.wanted]


class Processor:
    """The processor time of a server's sessions that begin and end in a with block, in seconds.

    A session's time is added to that of the postmaster when it ends; so does that of an autovacuum worker, which is why a block
    should be long beside those.
    """

    def __init__(self, database):
        with open(f"/proc/{database.info.backend_pid}/status", encoding="ascii") as status:
            postmaster = next(int(line.split()[1]) for line in status if line.startswith("PPid"))
        self.stat = f"/proc/{postmaster}/stat"

    def __enter__(self):
        self.before = self.of_ended_sessions()
        return self

    def __exit__(self, *_):
        time.sleep(0.2)  # until the postmaster has noticed the end of the last one
        self.seconds = self.of_ended_sessions() - self.before

    def of_ended_sessions(self):
        with open(self.stat, encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def processor_seconds(database, action):
    """processor_seconds runs an action and says what the sessions that it began and ended have used of processors."""
    with Processor(database) as used:
        action()
    return used.seconds


def session_seconds(database):
    """session_seconds is the processor time that a session has used since it began."""
    with open(f"/proc/{database.info.backend_pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0]) / 1e9


class Growth:
    """The most by which a backend's own memory (not the shared buffers) grows in a with block, in bytes."""

    def __init__(self, database):
        self.status = f"/proc/{database.info.backend_pid}/status"

    def __enter__(self):
        self.before = self.most_seen = self.resident()
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()
        self.most = self.most_seen - self.before

    def watch(self):
        while not self.done.wait(0.01):
            self.most_seen = max(self.most_seen, self.resident())

    def resident(self):
        with open(self.status, encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024


def table(lines):
    """table renders comparisons and measurements as Markdown."""
    rows = [["work", "ours", "compared with", "ratio", "wanted"]] + [line.cells() for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows)


def seconds(action):
    """seconds runs an action and says how long it took."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
