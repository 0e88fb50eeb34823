"""The entry points of the packs against what one would run instead: an ORM's loop, and one INSERT ... SELECT."""
from databases import connect, copy, create
from measure import Comparison, seconds
import orm_loop

REPETITIONS = 5
USERS, ORGANIZATIONS, MODULES = 23_000, 10_000, 50

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


def run(scale):
    yield organizations(round(USERS * scale))
    yield entitlements(round(ORGANIZATIONS * scale))


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

    def other():
        with connect(copy(filled)) as database:
            return seconds(lambda: expect(organizations_ * MODULES, database.execute(INSERT).rowcount))

    return Comparison(f"init_org_entitlements() for {organizations_:,} organizations x {MODULES} modules",
                      "hand-written INSERT ... SELECT", 1.15).run(ours, other, REPETITIONS)


def expect(wanted, got):
    if wanted != got:
        raise AssertionError(f"{got} rows, not {wanted}: the comparison does not do what it says")
