#!/usr/bin/python3
"""Runs the examples of README.md and doc/, and checks that the reference is complete.

    test/doc_examples.py             compares what the examples print with what the pages say
    test/doc_examples.py --update    writes what they print into the pages, except errors in place of results
    test/doc_examples.py PAGE ...    these pages only, without the checks of completeness

Needs the servers of test/run: PGHOST PGPORT PGUSER PG_CONFIG, MONGO_URI MONGO_HOSTS, and for pages that log in MONGO_AUTH_HOSTS
MONGO_AUTH_USER MONGO_AUTH_PASSWORD. The last line is "N passed, N failed".

What a page says to this script:

    ```sql run                       is executed; the block ```text that follows it is what psql prints, notices and errors
    SELECT 1;                        included. Without such a block it has to end without an error, and output is not shown.
    ```
    <!-- run                         is executed like a block without output, and not shown to the reader
    DROP ROLE IF EXISTS operator;
    -->
    <!-- setup: examples/team_roles  fills the page's databases with an example's data: postgresql.sql, mongodb.py if there is one -->

A page is one session of psql in a database of its own, which shows no CONTEXT. In it localhost:27017 is the MongoDB server of the test,
mongo.example.com:27017 the one that wants a password, and database 'app' one that only this page uses.
"""
import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PAGES = [TOP / "README.md", *sorted((TOP / "doc").rglob("*.md"))]
MARK = "@@ example @@"

# What differs between two runs. It is replaced on both sides before they are compared, and runs of blanks and dashes are
# taken for one, because the width of a column follows from its values.
NORMALISE = [
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d|Z)?", "<timestamp>"),
    (r"\b\d\d:\d\d:\d\d\.\d+", "<elapsed>"),
    (r"\b[0-9a-f]{24}\b", "<ObjectId>"),
    (r"  +", " "),
    (r"--+", "--"),
    (r" $", ""),
]

# Functions that are no one's to call. Others say so themselves: their comment begins with "used by", like that of such views.
INTERNAL = {
    "reconcile.mongo_handler", "reconcile.mongo_validator",
    "reconcile.did_you_mean", "reconcile.pack_table", "reconcile.pack_column", "reconcile.pack_options",
}

passed = failed = 0


def report(ok, what, detail=""):
    """report counts one check, and says what is wrong with it."""
    global passed, failed
    if ok:
        passed += 1
        return
    failed += 1
    print(f"FAILED {what}" + (f"\n{detail}" if detail else ""))


def psql(script, database, *arguments):
    """psql runs a script in one session and returns all that it prints."""
    run = subprocess.run(["psql", "-XqAt" if "-t" in arguments else "-Xq", "-d", database], input=script, cwd=TOP, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return run.stdout


def rows(query, database):
    """rows returns the fields of what a query yields; an error is the end."""
    lines = psql(f"\\set ON_ERROR_STOP 1\n\\f '\\t'\n{query}", database, "-t")
    if "ERROR:" in lines:
        sys.exit(lines)
    return [line.split("\t") for line in lines.splitlines()]


# ------------------------------------------------------------------------------------------------------------ examples

class Block:
    """A piece of SQL of a page, and the span of the output that is printed below it."""

    def __init__(self, sql, line, output=None, span=None):
        self.sql, self.line, self.output, self.span = sql, line, output, span


BLOCK = re.compile(
    r"^```sql run\n(?P<sql>.*?)^```\n(?:\n*```text\n(?P<output>.*?)^```\n)?"
    r"|^<!-- run\n(?P<hidden>.*?)^-->\n"
    r"|^<!-- setup: (?P<setup>\S+) -->\n", re.M | re.S)


def blocks_of(text):
    """blocks_of returns what a page wants to have run, and the examples whose data it needs."""
    blocks, setups = [], []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["setup"]:
            setups.append(match["setup"])
        elif match["hidden"]:
            blocks.append(Block(match["hidden"], line))
        else:
            span = match.span("output") if match["output"] is not None else None
            blocks.append(Block(match["sql"], line, match["output"], span))
    return blocks, setups


def real_names(page):
    """real_names pairs what the pages write with what it is in this test."""
    name = "doc_" + re.sub(r"\W+", "_", str(page.relative_to(TOP).with_suffix(""))).lower()
    return name, [
        ("localhost:27017", os.environ.get("MONGO_HOSTS", "localhost:27017")),
        ("mongo.example.com:27017", os.environ.get("MONGO_AUTH_HOSTS", "mongo.example.com:27017")),
        ("username 'app', password 'secret'", "username '{}', password '{}'".format(
            os.environ.get("MONGO_AUTH_USER", ""), os.environ.get("MONGO_AUTH_PASSWORD", "").replace("'", "''"))),
        ("database 'app'", f"database '{name}'"),
        ("\"app.", f"\"{name}."),
        (": app.", f": {name}."),
        ("database = 'app'", f"database = '{name}'"),
        ("FOREIGN SCHEMA app ", f"FOREIGN SCHEMA {name} "),
    ]


def mongo_client():
    from pymongo import MongoClient
    return MongoClient(os.environ["MONGO_URI"])


def has_documents(setup):
    """has_documents tells whether an example has data for MongoDB, too."""
    return (TOP / setup / "mongodb.py").exists()


def fresh_databases(name, uses_mongo, setups):
    """fresh_databases makes the page's empty databases and fills them from the examples it names."""
    psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\nCREATE DATABASE {name};", "postgres")
    if uses_mongo:
        mongo_client().drop_database(name)
    for setup in setups:
        if has_documents(setup):
            subprocess.run([sys.executable, f"{setup}/mongodb.py", os.environ["MONGO_URI"], name], cwd=TOP, check=True)
        out = psql(f"\\set ON_ERROR_STOP 1\n\\i {setup}/postgresql.sql", name)
        if "ERROR" in out:
            sys.exit(f"{setup}/postgresql.sql: {out}")


def execute(blocks, name, names):
    """execute runs blocks in one session and returns what each of them printed."""
    script = "\\set SHOW_CONTEXT never\n" + "".join(f"{block.sql}\n\\echo '{MARK}'\n" for block in blocks)
    for written, real in names:
        script = script.replace(written, real)
    out = psql(script, name)
    for written, real in reversed(names):
        out = out.replace(real, written)
    parts = out.split(MARK + "\n")
    return parts[:-1] + [""] * (len(blocks) - len(parts) + 1)


def tidy(output):
    """tidy drops what psql prints around a result: blanks at the ends of lines, empty lines at the ends."""
    return "\n".join(line.rstrip() for line in output.strip("\n").splitlines()) + "\n" if output.strip() else ""


def normalised(output):
    for pattern, replacement in NORMALISE:
        output = re.sub(pattern, replacement, output, flags=re.M)
    return output


def broken(block, actual):
    """broken tells an example that worked and now ends in an error, which --update must not write into its page."""
    return block.output and "ERROR:" in actual and "ERROR:" not in block.output


def run_page(page, update):
    text = page.read_text()
    blocks, setups = blocks_of(text)
    if not blocks:
        return
    name, names = real_names(page)
    uses_mongo = any(map(has_documents, setups)) or any("reconcile_mongo" in block.sql for block in blocks)
    if uses_mongo and "MONGO_URI" not in os.environ:
        report(False, f"{page.relative_to(TOP)}: it needs a MongoDB server, and MONGO_URI names none")
        return
    if "mongo.example.com" in "".join(block.sql for block in blocks) and "MONGO_AUTH_HOSTS" not in os.environ:
        print(f"{page.relative_to(TOP)}: not run, there is no MongoDB server with passwords (MONGO_AUTH_HOSTS)")
        return
    fresh_databases(name, uses_mongo, setups)
    printed = [tidy(part) for part in execute(blocks, name, names)]

    for block, actual in zip(blocks, printed):
        where = f"{page.relative_to(TOP)}:{block.line}"
        if block.output is None:
            report("ERROR:" not in actual, where, actual)
        elif normalised(block.output) == normalised(actual) or (update and not broken(block, actual)):
            report(True, where)
        else:
            report(False, where, "".join(difflib.unified_diff(
                block.output.splitlines(True), actual.splitlines(True), "the page", "psql")))
    if update:
        for block, actual in reversed(list(zip(blocks, printed))):
            if block.span and normalised(block.output) != normalised(actual) and not broken(block, actual):
                text = text[:block.span[0]] + actual + text[block.span[1]:]
                print(f"updated {page.relative_to(TOP)}:{block.line}")
        page.write_text(text)
    psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);", "postgres")
    if uses_mongo:
        mongo_client().drop_database(name)


# -------------------------------------------------------------------------------------------------------- completeness

def headings(text):
    """headings yields level, title and the text below, up to the next heading of the same or a higher level."""
    text = re.sub(r"^```.*?^```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.M | re.S)
    found = list(re.finditer(r"^(#+) (.*)$", text, re.M))
    for i, match in enumerate(found):
        end = next((m.start() for m in found[i + 1:] if len(m[1]) <= len(match[1])), len(text))
        yield len(match[1]), match[2].replace("`", "").strip(), text[match.end():end]


def sections(*pages):
    """sections maps each title of some pages to the text below it."""
    return {title: body for page in pages for _, title, body in headings((TOP / page).read_text())}


def reference_sections():
    """reference_sections returns those of every page of the reference: each part of the extension may have its own."""
    return sections(*(p.relative_to(TOP) for p in (TOP / "doc/reference").glob("*.md")))


def documented(section, name, header=""):
    """documented tells whether a table of a section, or only one with that first header, has a row for a name."""
    tables = re.findall(rf"^\| {header}.*\n(?:\|.*\n)+", section, re.M)
    return any(re.search(rf"^\| `{re.escape(name)}` +\|", table, re.M) for table in tables)


def check_functions(database):
    reference = reference_sections()
    functions = rows("""
        SELECT p.oid::regproc::text, pg_get_function_arguments(p.oid), coalesce(pg_get_function_result(p.oid), ''),
               coalesce(array_to_string(p.proargnames[1:p.pronargs], ','), ''),
               coalesce((SELECT string_agg(n, ',') FROM unnest(p.proargnames, p.proargmodes) AS a(n, m) WHERE m = 't'), '')
        FROM pg_proc p
        JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_reconcile'
        WHERE coalesce(obj_description(p.oid, 'pg_proc'), '') NOT LIKE 'used by %' ORDER BY 1;""", database)
    for name, arguments, result, inputs, outputs in functions:
        if name in INTERNAL:
            continue
        arguments = re.sub(r"::[a-z ]+(\[\])?|\bIN ", "", arguments)
        title = f"{name}({arguments}) → {'TABLE' if result.startswith('TABLE') else result}" if result \
            else f"CALL {name}({arguments})"
        report(title in reference, f"doc/reference: no heading \"{title}\"")
        for header, names in (("argument", inputs), ("column", outputs)):
            for row in filter(None, names.split(",")):
                report(documented(reference.get(title, ""), row, header),
                       f"doc/reference: {name} without a row for {header} `{row}`")


def check_views(database):
    reference = reference_sections()
    for view, column in rows("""
            SELECT c.oid::regclass, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relkind = 'v' AND c.relnamespace = 'reconcile'::regnamespace
              AND coalesce(obj_description(c.oid, 'pg_class'), '') NOT LIKE 'used by %' ORDER BY 1, a.attnum;""", database):
        report(documented(reference.get(view, ""), column), f"doc/reference: {view} without a row for `{column}`")


def check_settings(database):
    text = (TOP / "doc/reference/settings.md").read_text()
    for (name,) in rows("LOAD 'pg_reconcile';\nSELECT name FROM pg_settings WHERE name LIKE 'pg_reconcile.%';", database):
        report(documented(text, name), f"doc/reference/settings.md: no row for `{name}`")


def check_options(database):
    """check_options asks the validator for its options by giving it one that it does not have."""
    reference = sections("doc/mongodb.md")
    for catalog, title in (("pg_foreign_server", "Server options"), ("pg_user_mapping", "User mapping options"),
                           ("pg_foreign_table", "Table options"), ("pg_attribute", "Column options")):
        answer = psql(f"SELECT reconcile.mongo_validator('{{no_such_option=1}}', '{catalog}'::regclass);", database)
        options = re.search(r"Valid options of .* are: (.*)\.", answer)
        if options is None:
            report(False, f"the validator does not list the options of {catalog}", answer)
            continue
        for option in options[1].split(", "):
            report(documented(reference.get(title, ""), option), f"doc/mongodb.md: {title} without a row for `{option}`")

    common = (TOP / "doc/packs/README.md").read_text()
    for pack, option in rows("SELECT name, jsonb_object_keys(options) FROM reconcile.pack;", database):
        page = TOP / f"doc/packs/{pack}.md"
        text = common + (page.read_text() if page.exists() else "")
        report(documented(text, option), f"doc/packs: pack {pack} without a row for option `{option}`")


def suites_of(pack):
    """suites_of is the text of the tests that prove what a pack promises."""
    files = [f"test/pgtap/pack_{pack}.sql", "test/test_packs_concurrency.py"]
    if pack == "team_roles":
        files = [files[0], "test/fault/test_team_roles.py", "test/fault/test_team_roles_install.py"]
    elif pack == "team_management":
        files.append("test/pgtap/pack_baseline.sql")
    return "\n".join((TOP / file).read_text() for file in files)


def proves(test, suites):
    """proves tells whether a test of this name, an assertion that says or begins with this, or a file of this path exists."""
    if test.startswith("test_"):
        return re.search(rf"^def {re.escape(test)}\(", suites, re.M) is not None
    literal = "'" + test.replace("'", "''")
    return literal + "'" in suites or literal + " '" in suites or (TOP / test).is_file()


def check_promises():
    """check_promises looks up every test that doc/packs/README.md names; a promise without one is broken."""
    table = sections("doc/packs/README.md")
    for path in sorted((TOP / "doc/packs").glob("*.md")):
        pack = path.stem
        if pack == "README":
            continue
        promises = re.findall(r"^\| (?!promise |---)(.*?) \| (.*) \|$", table.get(pack, ""), re.M)
        report(promises, f"doc/packs/README.md: no promises of {pack}")
        suites = suites_of(pack)
        for promise, tests in promises:
            names = re.findall(r"`([^`]+)`", tests)
            ok = names and all(proves(name, suites) for name in names) or tests.startswith("not the pack's")
            missing = ", ".join(name for name in names if not proves(name, suites))
            report(ok, f"doc/packs/README.md: {pack} promises \"{promise}\", which no test proves", missing)


def slug(title):
    """slug is the anchor that a heading has on a web page."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def check_links():
    anchors = {}
    for page in PAGES:
        if page.exists():
            text = page.read_text()
            anchors[page] = {slug(title) for _, title, _ in headings(text)} | set(re.findall(r'<a id="([^"]+)">', text))
    for page in anchors:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            ok = target.exists() and (not anchor or anchor in anchors.get(target, ()))
            report(ok, f"{page.relative_to(TOP)}: broken link {link}")


def sqlstates_raised():
    """sqlstates_raised collects every SQLSTATE that the sources raise."""
    include = subprocess.run(["pg_config", "--includedir-server"], text=True, check=True, capture_output=True).stdout.strip()
    code_of = {name: "".join(re.findall(r"'(.)'", code)) for name, code in
               re.findall(r"#define (ERRCODE_\w+)\s+(MAKE_SQLSTATE\(.*\))", Path(include, "utils/errcodes.h").read_text())}
    found = set()
    for source in (*(TOP / "src").rglob("*.[ch]pp"), *(TOP / "sql/install").glob("*.sql"), *(TOP / "packs").glob("*.sql")):
        text = source.read_text()
        if source.suffix == ".sql":
            found |= set(re.findall(r"(?:SQLSTATE |refuse\()'(\w{5})'", text))
            found |= {code_of["ERRCODE_" + name.upper()] for name in re.findall(r"RAISE ([a-z_]+) USING", text)}
            continue
        text = re.sub(r"case (ERRCODE_\w+|MAKE_SQLSTATE\([^)]*\))|ERRCODE_TO_CATEGORY", "", text)  # compared, not raised
        found |= {code_of[name] for name in re.findall(r"\bERRCODE_\w+", text)}
        found |= {"".join(re.findall(r"'(.)'", code)) for code in re.findall(r"MAKE_SQLSTATE\(('.'[^)]*)\)", text)}
        if "src/mongo" in str(source):
            found |= {code for code in re.findall(r'"([0-9A-Z]{5})"', text) if re.search(r"\d", code)}
    return found - {"00000"}


def check_sqlstates():
    text = (TOP / "doc/reference/errors.md").read_text()
    raised = sqlstates_raised()
    for code in sorted(raised):
        report(documented(text, code), f"doc/reference/errors.md: no row for `{code}`")
    for code in sorted(set(re.findall(r"^\| `([0-9A-Z]{5})` +\|", text, re.M)) - raised):
        report(False, f"doc/reference/errors.md: `{code}` is not raised")


def check_completeness(database):
    for check in (check_functions, check_views, check_settings, check_options):
        check(database)
    check_links()
    check_promises()
    check_sqlstates()


def main():
    arguments = sys.argv[1:]
    update = "--update" in arguments
    chosen = [Path(argument).resolve() for argument in arguments if argument != "--update"]
    catalog = "doc_catalog"
    psql(f"DROP DATABASE IF EXISTS {catalog} WITH (FORCE);\nCREATE DATABASE {catalog};", "postgres")
    rows("CREATE EXTENSION pg_reconcile;", catalog)     # without it there is nothing to run, and nothing to write into pages
    for page in chosen or PAGES:
        if page.exists():
            run_page(page, update)
    if not chosen:
        check_completeness(catalog)
    psql(f"DROP DATABASE {catalog};", "postgres")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
