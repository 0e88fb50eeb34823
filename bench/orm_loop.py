"""What init_organizations() replaces: a migration that walks over user_settings with an ORM, in batches of 500.

It does what such a migration says of itself: create the two roles, read the next batch, and for each row an organization,
a user, the membership as admin and the organization's settings; commit per batch.
"""
from sqlalchemy import MetaData, create_engine, select
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session

BATCH = 500
NOT_CARRIED = {"id", "keycloak_user_id", "already_migrated", "user_version"}


def classes(engine):
    """classes maps the tables of a database, without relationships: the loop sets keys itself."""
    metadata = MetaData()
    metadata.reflect(engine, only=["user_settings", "role", "org", "user", "org_user", "settings"])
    base = automap_base(metadata=metadata)
    base.prepare(generate_relationship=lambda *_, **__: None)
    return base.classes


def migrate(dsn):
    """migrate takes a URL of SQLAlchemy; it returns how many users it made."""
    engine = create_engine(dsn)
    c = classes(engine)
    migrated = 0
    with Session(engine) as session:
        admin = c.role(name="admin", rank=1)
        session.add_all([admin, c.role(name="user", rank=1000)])
        session.commit()
        last = 0
        while batch := session.scalars(
                select(c.user_settings).where(c.user_settings.id > last, c.user_settings.keycloak_user_id.isnot(None))
                .order_by(c.user_settings.id).limit(BATCH)).all():
            for row in batch:
                migrate_user(session, c, row, admin.id)
            last = batch[-1].id
            session.commit()
            migrated += len(batch)
    engine.dispose()
    return migrated


def migrate_user(session, c, row, admin_id):
    org = c.org(name=f"user_{row.id}_org", contact_email=row.email)
    user = c.user(keycloak_user_id=row.keycloak_user_id, accepted_tos=row.accepted_tos,
                  enable_sound_notifications=row.enable_sound_notifications)
    session.add_all([org, user])
    session.flush()
    carried = {column.name: getattr(row, column.name) for column in c.user_settings.__table__.columns
               if column.name not in NOT_CARRIED}
    session.add(c.org_user(org_id=org.id, user_id=user.id, role_id=admin_id, status="active"))
    session.add(c.settings(org_id=org.id, settings_version=row.user_version, **carried))
