"""The packs against what one would write instead: an ORM's loop, one INSERT ... SELECT, triggers by hand."""
import time

from databases import connect, copy, create
from measure import Comparison, seconds, session_seconds
import orm_loop

REPETITIONS, SIGN_UPS = 11, 9
USERS, ORGANIZATIONS, MODULES, SIGNUPS = 23_000, 10_000, 50, 2_000
PIECE = 50  # signups of one side before the other side's turn
BEFORE = 20_000  # users who are there already, so that plans are those of a product with users

USER_SETTINGS = """
    SELECT reconcile.install_pack('organizations', '{{"guards": "none"}}');
    INSERT INTO user_settings (keycloak_user_id, language, agent, max_iterations, llm_model, llm_api_key, email, accepted_tos,
        enable_sound_notifications, user_version, enable_default_condenser, enable_proactive_conversation_starters, mcp_config)
    SELECT gen_random_uuid(), 'en', 'CodeActAgent', 100, 'model', 'key' || n, 'user' || n || '@example.com', now(), true, 3,
           true, true, '{{"servers": []}}'
    FROM generate_series(1, {users}) n"""

FLAGS = """
    SELECT reconcile.install_pack('entitlements', '{{"guards": "none", "rows": {{"modules": [], "plans": []}}}}');
    INSERT INTO modules (module_key, display_name) SELECT 'module_' || n, 'Module ' || n FROM generate_series(1, {modules}) n;
    INSERT INTO organizations (name, enabled_modules)
    SELECT 'Organization ' || o, f.flags
    FROM generate_series(1, {organizations}) o CROSS JOIN (
        SELECT json_object_agg('Module_' || n, n % 2 = 0) AS flags FROM generate_series(1, 27) n) f"""

# What somebody writes who knows these data: flags are true or false, their keys in any case.
INSERT = """
    INSERT INTO org_entitlements (org_id, module_id, status, source)
    SELECT o.id, m.id, CASE WHEN lower(m.module_key) = ANY (f.keys) OR m.module_key IN ('email', 'dashboard')
                            THEN 'enabled' ELSE 'disabled' END, 'migration'
    FROM organizations o
    CROSS JOIN LATERAL (SELECT array_agg(lower(e.key)) FILTER (WHERE e.value = 'true') AS keys
                        FROM json_each_text(o.enabled_modules) e) f
    CROSS JOIN modules m
    ON CONFLICT (org_id, module_id) DO NOTHING"""

# The rest of what init_org_entitlements() does: the audit trail, and a row of result per organization.
EVENTS = """
    INSERT INTO entitlement_events (org_id, event_key, event_type, reason, payload)
    SELECT e.org_id, 'initialized', 'initialized', 'taken over from enabled_modules', jsonb_build_object('source', 'migration',
           'enabled', coalesce(array_agg(m.module_key ORDER BY m.sort_order, m.module_key) FILTER (WHERE e.status <> 'disabled'), '{}'),
           'disabled', coalesce(array_agg(m.module_key ORDER BY m.sort_order, m.module_key) FILTER (WHERE e.status = 'disabled'), '{}'))
    FROM org_entitlements e JOIN modules m ON m.id = e.module_id WHERE e.source = 'migration'
    GROUP BY e.org_id ON CONFLICT (org_id, event_key) DO NOTHING"""
RESULT = """
    SELECT o.id, o.name, array_agg(m.module_key ORDER BY m.sort_order, m.module_key) FILTER (WHERE e.status = 'enabled'),
           array_agg(m.module_key ORDER BY m.sort_order, m.module_key) FILTER (WHERE e.status <> 'enabled')
    FROM organizations o JOIN org_entitlements e ON e.org_id = o.id JOIN modules m ON m.id = e.module_id
    GROUP BY o.id, o.name ORDER BY o.id"""

# One product with both packs. Guarded, or with triggers that do the same: preferences at once, the workspace with its member
# and settings at commit, unless the application has made it.
PRODUCT = """
    SELECT reconcile.install_pack('workspaces', '{{"guards": "{workspaces}", "owned": {{}}}}');
    SELECT reconcile.install_pack('team_management', '{{"guards": "{team_management}"}}');
    INSERT INTO customers (id) VALUES ('acme');
    {triggers}
    SET session_replication_role = replica; -- neither kind of triggers has to make what is there already
    INSERT INTO users (id, username, "customerId", current_workspace_id) SELECT n, 'Before ' || n, 'acme', n FROM generate_series(1, {users}) n;
    INSERT INTO notification_preferences (user_id, customer_id) SELECT id, "customerId" FROM users;
    INSERT INTO workspaces (id, name, slug, created_by, created_at, updated_at)
    SELECT id, 'Before', 'before-' || id, id, now(), now() FROM users;
    INSERT INTO workspace_members (workspace_id, user_id, role, joined_at) SELECT id, id, 'admin', now() FROM users;
    INSERT INTO workspace_settings (workspace_id, max_dashboards, max_members, updated_at) SELECT id, 1000, 100, now() FROM users;
    SELECT setval(pg_get_serial_sequence(name, 'id'), {users} + 1) FROM unnest('{{users,workspaces}}'::text[]) AS name;
    RESET session_replication_role"""

BY_HAND = """
    CREATE FUNCTION make_preferences() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO notification_preferences (user_id, customer_id)
        SELECT n.id, n."customerId" FROM new_rows n WHERE n."customerId" IS NOT NULL ON CONFLICT DO NOTHING;
        RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '%', SQLERRM;
        RETURN NULL;
    END $$;
    CREATE TRIGGER make_preferences AFTER INSERT ON users REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION make_preferences();
    CREATE FUNCTION make_workspace() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM workspaces WHERE created_by = NEW.id)
           AND NOT EXISTS (SELECT FROM workspace_members WHERE user_id = NEW.id) THEN
            INSERT INTO workspaces (name, slug, created_by, created_at, updated_at)
            VALUES (NEW.username || '''s Workspace', regexp_replace(lower(NEW.username), '[^a-z0-9]+', '-', 'g') || '-' || NEW.id,
                    NEW.id, now(), now()) ON CONFLICT DO NOTHING;
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER make_workspace AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION make_workspace();
    CREATE FUNCTION complete_workspace() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        INSERT INTO workspace_members (workspace_id, user_id, role, joined_at) VALUES (NEW.id, NEW.created_by, 'admin', now())
        ON CONFLICT DO NOTHING;
        INSERT INTO workspace_settings (workspace_id, max_dashboards, max_members, updated_at) VALUES (NEW.id, 1000, 100, now())
        ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER complete_workspace AFTER INSERT ON workspaces DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION complete_workspace();
    CREATE FUNCTION choose_workspace() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    BEGIN
        UPDATE users SET current_workspace_id = NEW.workspace_id WHERE id = NEW.user_id AND current_workspace_id IS NULL;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER choose_workspace AFTER INSERT ON workspace_members DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION choose_workspace()"""

IN_PLACE = """
    SELECT count(*) FROM users u JOIN workspaces w ON w.id = u.current_workspace_id
    JOIN workspace_members m ON m.workspace_id = w.id AND m.user_id = u.id AND m.role = 'admin'
    JOIN workspace_settings s ON s.workspace_id = w.id JOIN notification_preferences p ON p.user_id = u.id"""


def run(scale):
    yield organizations(round(USERS * scale))
    yield from entitlements(round(ORGANIZATIONS * scale))
    yield from signup(round(SIGNUPS * scale), round(BEFORE * scale))


def organizations(users):
    filled = create("organizations", USER_SETTINGS.format(users=users))

    def ours():
        with connect(copy(filled)) as database:
            return seconds(lambda: expect(users, database.execute(
                "SELECT min(changed) FROM init_organizations() WHERE invariant <> 'organizations_role'").fetchone()[0]))

    def other():
        name = copy(filled)
        return seconds(lambda: expect(users, orm_loop.migrate(f"postgresql+psycopg2:///{name}")))

    return Comparison(f"init_organizations() for {users:,} users", "SQLAlchemy, batches of 500", 20, faster=True).run(
        ours, other, min(REPETITIONS, 3))


def entitlements(organizations_):
    filled = create("entitlements", FLAGS.format(organizations=organizations_, modules=MODULES))

    def ours():
        with connect(copy(filled)) as database:
            return seconds(lambda: expect(organizations_, database.execute(
                "SELECT count(*) FROM init_org_entitlements()").fetchone()[0]))

    def by_hand(*more):
        with connect(copy(filled)) as database:
            def statements():
                expect(organizations_ * MODULES, database.execute(INSERT).rowcount)
                for statement in more:
                    expect(organizations_, database.execute(statement).rowcount)
            return seconds(statements)

    work = f"init_org_entitlements() for {organizations_:,} organizations x {MODULES} modules"
    yield Comparison(work, "hand-written INSERT ... SELECT of the rows alone", 1.15).run(ours, by_hand, REPETITIONS)
    yield Comparison(work, "hand-written rows, audit trail, and result per organization", 1.15).run(
        ours, lambda: by_hand(EVENTS, RESULT), REPETITIONS)


def signup(users, before):
    guarded = create("signup_guarded", PRODUCT.format(workspaces="block", team_management="queue", triggers="", users=before))
    by_hand = create("signup_by_hand", PRODUCT.format(workspaces="none", team_management="none", triggers=BY_HAND + ";", users=before))

    def sign_up(filled, options, clock):
        name = copy(filled)
        started = clock()
        with connect(name, options=options) as database:
            for n in range(users):
                database.execute('INSERT INTO users (username, "customerId") VALUES (%s, %s)', [f"User {n}", "acme"])
                if (n + 1) % PIECE == 0 or n + 1 == users:
                    yield clock(database) - started
                    started = clock(database)
            expect(users + before, database.execute(IN_PLACE).fetchone()[0])

    def wall(_=None):
        return time.perf_counter()

    def processor(database=None):
        return session_seconds(database) if database else 0

    work = f"{users:,} signups, one transaction each, with all guards of workspaces and team_management"
    for more, wanted, options, clock in (
            ("", 1.15, "", wall), (", processor time", 0, "-c synchronous_commit=off", processor)):
        yield Comparison(work + more, "the same triggers by hand", wanted).run_in_pieces(
            lambda: sign_up(guarded, options, clock), lambda: sign_up(by_hand, options, clock), SIGN_UPS)


def expect(wanted, got):
    if wanted != got:
        raise AssertionError(f"{got} rows, not {wanted}: the comparison does not do what it says")
