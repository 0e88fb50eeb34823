"""What the tests of pack team_roles share: a database of each kind per test, documents, rows, and a bad network."""
import os
import socket
import threading
import uuid
from contextlib import contextmanager
from datetime import datetime, timezone

import psycopg
from bson import ObjectId
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pymongo import MongoClient

MONGO_URI = os.environ["MONGO_URI"]
MONGO_HOSTS = os.environ["MONGO_HOSTS"]
TEMPLATE = "reconcile_team_roles"
CREATED = datetime(2025, 9, 1, 12, tzinfo=timezone.utc)

ANN, BEN, CAT, DAN = (f"66f0a1b2c3d4e5f60718{n:04x}" for n in range(1, 5))
ROLES = ("owner", "admin", "member")

# The application's table as its first migration left it, and the index that the third one put in place of the constraint.
COLUMNS = """
	id           serial PRIMARY KEY,
	mongo_id     varchar(24) UNIQUE,
	user_id      varchar(24) NOT NULL,
	role_name    varchar(50) NOT NULL,
	scope        varchar(20) NOT NULL,
	team_id      varchar(24),
	is_active    boolean NOT NULL,
	created_at   timestamptz NOT NULL,
	created_by   varchar(24) NOT NULL,
	last_sync_at timestamptz NOT NULL,
	sync_status  varchar(20) NOT NULL,
	sync_error   text"""
MIRROR_0001 = f"CREATE TABLE postgres_user_roles ({COLUMNS}, UNIQUE (user_id, role_name, scope, team_id))"
MIRROR_0003 = f"""CREATE TABLE postgres_user_roles ({COLUMNS});
CREATE UNIQUE INDEX unique_active_user_team_role ON postgres_user_roles (user_id, role_name, scope, team_id)
	WHERE is_active"""


def team_id(number):
    return f"66e1a0b0c0d0e0f0{number:08x}"


def team(number, created_by, **fields):
    return {"_id": ObjectId(team_id(number)), "name": f"Team {number}", "created_by": created_by, **fields}


def role(user, team_number, name, **fields):
    """A role document as the application writes it; a field given as None is left out."""
    document = {"user_id": user, "team_id": team_id(team_number), "role_name": name, "scope": "TEAM", "is_active": True,
                "created_at": CREATED, "created_by": "system", **fields}
    return {name: value for name, value in document.items() if value is not None}


def roles(user, team_number, names=ROLES, **fields):
    return [role(user, team_number, name, **fields) for name in names]


def row(user, team_number, name, **columns):
    """A row of the mirror as the application writes it."""
    return {"user_id": user, "team_id": team_id(team_number), "role_name": name, "scope": "TEAM", "is_active": True,
            "created_at": CREATED, "created_by": "system", "last_sync_at": CREATED, "sync_status": "SYNCED", **columns}


def rows(user, team_number, names=ROLES, **columns):
    return [row(user, team_number, name, **columns) for name in names]


def template():
    """A database with the extension, which CREATE DATABASE copies faster than CREATE EXTENSION runs."""
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone() is None:
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
            with psycopg.connect(dbname=TEMPLATE) as inside:
                inside.execute("CREATE EXTENSION pg_reconcile")
    return TEMPLATE


@contextmanager
def told(connection):
    """Collects what the server tells meanwhile: (severity, message, detail)."""
    collected = []

    def collect(diagnostic):
        collected.append((diagnostic.severity_nonlocalized, diagnostic.message_primary, diagnostic.message_detail))
    connection.add_notice_handler(collect)
    try:
        yield collected
    finally:
        connection.remove_notice_handler(collect)


class World:
    """One PostgreSQL database and one MongoDB database, with the application's tables and collections."""

    def __init__(self, client, name):
        self.client = client
        self.name = name
        self.options = {}
        self.connection = None
        self.connect()

    def connect(self):
        self.connection = psycopg.connect(dbname=self.name, autocommit=True, row_factory=dict_row)

    def another(self):
        """Another connection to the same database; the caller closes it."""
        return psycopg.connect(dbname=self.name, autocommit=True, row_factory=dict_row)

    @property
    def mongo(self):
        return self.client[self.name]

    def sql(self, query, *parameters):
        cursor = self.connection.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else None

    def one(self, query, *parameters):
        (found,) = self.sql(query, *parameters)
        (value,) = found.values()
        return value

    def fill(self, teams=(), roles=(), rows=(), mirror=MIRROR_0003):
        """Makes the application's two collections, and its table in PostgreSQL."""
        for name, documents in (("teams", teams), ("user_roles", roles)):
            self.mongo.create_collection(name)
            if documents:
                self.mongo[name].insert_many([dict(document) for document in documents])
        if mirror:
            self.sql(mirror)
        for columns in rows:
            self.insert(**columns)
        return self

    def insert(self, table="postgres_user_roles", **columns):
        self.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(sql.Placeholder() for _ in columns)), list(columns.values()))

    def server(self, hosts=MONGO_HOSTS, **options):
        """Creates server app_mongo."""
        options = {"hosts": hosts, "database": self.name, **options}
        given = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(k), sql.Literal(v)) for k, v in options.items())
        self.connection.execute(
            sql.SQL("CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo OPTIONS ({})").format(given))
        self.sql("CREATE USER MAPPING FOR CURRENT_USER SERVER app_mongo")
        return self

    def credentials(self, role, **wrong):
        """The role logs in to MongoDB with the test user's name and password."""
        options = {"username": os.environ["MONGO_AUTH_USER"], "password": os.environ["MONGO_AUTH_PASSWORD"], **wrong}
        self.sql(f"DROP USER MAPPING IF EXISTS FOR {role} SERVER app_mongo")
        self.connection.execute(
            sql.SQL("CREATE USER MAPPING FOR {} SERVER app_mongo OPTIONS (username {}, password {})").format(
                sql.Identifier(role), *map(sql.Literal, options.values())))

    def reach(self, hosts=MONGO_HOSTS):
        """Points the server somewhere else, for a new connection."""
        self.sql(f"ALTER SERVER app_mongo OPTIONS (SET hosts '{hosts}')")
        self.close()
        self.connect()
        return self

    def install(self, dry_run=False, **options):
        """Installs the pack and returns its report: (action, object, detail)."""
        if not self.sql("SELECT 1 FROM pg_foreign_server WHERE srvname = 'app_mongo'"):
            self.server()
        report = self.sql("SELECT * FROM reconcile.install_pack('team_roles', %s::jsonb, %s)",
                          Jsonb({"server": "app_mongo", **options}), dry_run)
        return [(r["action"], r["object"], r["detail"]) for r in report]

    def fix(self, dry_run=False, include_deleted=False, connection=None):
        """Calls fix_team_roles and checks that its NOTICE tells the same as its rows."""
        connection = connection or self.connection
        with told(connection) as notices:
            report = connection.execute("SELECT * FROM fix_team_roles(%s, %s)", [dry_run, include_deleted]).fetchall()
        assert [n[1:] for n in notices if n[1].startswith("fix_team_roles: ")] == [summary(report, dry_run)]
        return report

    def cells(self, dry_run=False, **arguments):
        """The report in short: {(team, role): (mongodb, postgresql, detail)}."""
        report = self.fix(dry_run, **arguments)
        short = {(r["team_name"], r["role_name"]): (r["mongodb"], r["postgresql"], r["detail"]) for r in report}
        assert len(short) == len(report)
        return short

    def repair(self, dry_run=True):
        """What reconcile.repair says of the two invariants: {invariant: (planned, changed, failed)}."""
        report = self.sql("SELECT * FROM reconcile.repair(pack => 'team_roles', dry_run => %s)", dry_run)
        return {r["invariant"].removeprefix("team_roles_"): (r["planned"], r["changed"], r["failed"]) for r in report}

    def audit(self):
        report = self.sql("SELECT a.* FROM reconcile.audit(pack => 'team_roles') a JOIN reconcile.invariants i ON i.name = a.invariant"
                          " WHERE i.kind <> 'check'")
        return {r["invariant"].removeprefix("team_roles_"): (r["state"], r["missing"]) for r in report}

    def documents(self, collection="user_roles"):
        return list(self.mongo[collection].find().sort("_id", 1))

    def rows(self, table="postgres_user_roles"):
        return self.connection.execute(sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(table))).fetchall()

    def both(self):
        """Everything in both stores, so that a test can say what changed and that nothing else did."""
        return ({repr(d["_id"]): repr(d) for d in self.documents()},
                {repr(d["_id"]): repr(d) for d in self.documents("teams")},
                {r["id"]: r for r in self.rows()})

    def state(self):
        """Which roles are active where, each as often as it is there."""
        active = self.mongo.user_roles.find({"scope": "TEAM", "is_active": {"$ne": False}})
        return (sorted((str(d["user_id"]), str(d["team_id"]), d["role_name"]) for d in active),
                sorted((r["user_id"], r["team_id"], r["role_name"]) for r in self.rows() if r["is_active"]))

    def close(self):
        self.connection.close()


def summary(report, dry_run):
    """The NOTICE that fix_team_roles owes for these rows."""
    def totals(store):
        values = [r[store] for r in report]
        done = values.count("insert" if dry_run else "inserted")
        assert set(values) <= {"found", "failed", "skipped", "insert" if dry_run else "inserted"}
        return (f"{values.count('found')} found, {done} {'to insert' if dry_run else 'inserted'}, "
                f"{values.count('failed')} failed, {values.count('skipped')} skipped.")
    teams = len({r["team_id"] for r in report if r["team_id"]}) + sum(r["team_id"] is None for r in report)
    required = sum(r["role_name"] is not None for r in report)
    return (f"fix_team_roles: {teams} teams read, {required} roles required",
            f"MongoDB: {totals('mongodb')}\nPostgreSQL: {totals('postgresql')}")


def wanted(*teams, names=ROLES):
    """The roles of (user, team number) as World.state shows them, for one store."""
    return sorted((user, team_id(number), name) for user, number in teams for name in names)


@contextmanager
def worlds():
    """Yields a function that makes worlds, and takes them away again."""
    client = MongoClient(MONGO_URI, tz_aware=True)
    made = []

    def make():
        name = "team_roles_" + uuid.uuid4().hex[:12]
        with psycopg.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template()}")
        made.append(World(client, name))
        return made[-1]

    yield make
    for world in made:
        world.close()
        client.drop_database(world.name)
        with psycopg.connect(dbname="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {world.name} WITH (FORCE)")
    client.close()


class Network:
    """A relay in front of the MongoDB server that can cut or stall.

    cut_after counts bytes towards the server, reply_cut_after bytes back: when a counter is used up, both sides of that
    connection and every later one are closed. stalled holds everything back.
    """

    def __init__(self, hosts=MONGO_HOSTS):
        host, _, port = hosts.partition(",")[0].rpartition(":")
        self.upstream = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.hosts = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self.left = [None, None]        # to the server, from it
        self.sent = [0, 0]
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def limit(self, to_server=None, from_server=None):
        self.left = [to_server, from_server]

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if 0 in self.left:
                client.close()
                continue
            server = socket.create_connection(self.upstream)
            self.sockets += [client, server]
            for direction, pair in enumerate(((client, server), (server, client))):
                threading.Thread(target=self.relay, args=(direction, *pair), daemon=True).start()

    def relay(self, direction, source, target):
        try:
            while data := source.recv(65536):
                self.open.wait()
                if self.left[direction] is not None:
                    data = data[:self.left[direction]]
                    self.left[direction] -= len(data)
                target.sendall(data)
                self.sent[direction] += len(data)
                if self.left[direction] == 0:
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.open.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)    # ends accept(), which keeps the port otherwise
        except OSError:
            pass                                        # closed already
        self.listener.close()
        for end in self.sockets:
            end.close()
