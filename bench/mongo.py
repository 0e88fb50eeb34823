"""The MongoDB side of the comparisons: one database, filled in batches."""
import os

from pymongo import MongoClient

from databases import PREFIX

BATCH = 10_000


def database():
    return MongoClient(os.environ["MONGO_URI"])[PREFIX]


def drop():
    database().client.drop_database(PREFIX)


def fill(collection, documents):
    """fill makes a collection of what a generator yields, without ever holding all of it."""
    collection.drop()
    batch = []
    for document in documents:
        batch.append(document)
        if len(batch) == BATCH:
            collection.insert_many(batch, ordered=False)
            batch = []
    if batch:
        collection.insert_many(batch, ordered=False)


def server_script():
    """server_script makes the foreign server app_mongo and the mapping of the current user."""
    def quoted(value):
        return "'" + value.replace("'", "''") + "'"

    user = os.environ.get("MONGO_USER")
    credentials = f"OPTIONS (username {quoted(user)}, password {quoted(os.environ['MONGO_PASSWORD'])})" if user else ""
    return f"""
        CREATE SERVER app_mongo FOREIGN DATA WRAPPER reconcile_mongo
            OPTIONS (hosts {quoted(os.environ['MONGO_HOSTS'])}, database '{PREFIX}');
        CREATE USER MAPPING FOR CURRENT_USER SERVER app_mongo {credentials};"""
