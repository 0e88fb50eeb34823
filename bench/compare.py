"""Runs the comparisons, prints their tables, and writes each to a file of its own in bench/results/, line by line."""
import os
import sys
from pathlib import Path

import databases
import engine
import foreign_tables
import guards
import mongo
import packs
import schema
import team_roles
from measure import table

SUITES = {"engine": engine, "foreign_tables": foreign_tables, "guards": guards, "packs": packs, "schema": schema, "team_roles": team_roles}


def machine():
    """machine says on what the numbers were measured, without naming it."""
    with databases.connect("postgres") as server:
        version = server.info.parameter_status("server_version")
    return f"{os.cpu_count()} cores, PostgreSQL {version.split()[0]}, MongoDB server: {os.environ['BENCH_MONGO']}"


def report(name, lines, missing=""):
    return f"""\
# Benchmark: {name.replace("_", " ")}

Both sides of a line ran in turn in one run; times are medians, a ratio is the median of those of the turns, followed by the
lowest and the highest. Absolute times say little about another machine. `bench/run {name}` writes this file.

{machine()}.
{missing}
{table(lines)}
"""


def measure(name, scale):
    """measure runs one suite. The file has what was measured so far, whatever ends the run."""
    path = Path(__file__).with_name("results") / f"postgresql-{os.environ['PG']}-{name}.md"
    lines = []
    for line in SUITES[name].run(scale):
        lines.append(line)
        if scale == 1:
            path.write_text(report(name, lines, "\nThe run ended before its last line.\n"))
    print(f"\n{machine()}\n\n{table(lines)}", flush=True)
    if scale == 1:
        path.write_text(report(name, lines))


def main(names):
    unknown = set(names) - set(SUITES)
    if unknown:
        sys.exit(f"no comparison {sorted(unknown)[0]}: there are {', '.join(SUITES)}")
    scale = float(os.environ.get("BENCH_SCALE", "1"))
    try:
        for name in names or SUITES:
            print(f"{name}:", flush=True)
            measure(name, scale)
    finally:
        databases.drop_all()
        mongo.drop()


if __name__ == "__main__":
    main(sys.argv[1:])
