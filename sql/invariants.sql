-- The story of an invariant: declare what must exist, see what is missing, look before repairing, repair, and be done.
\set VERBOSITY default
\pset null '(null)'
CREATE EXTENSION pg_reconcile;

-- Users were created before the application knew preferences; two of them never got any.
CREATE TABLE users (id integer PRIMARY KEY, email text NOT NULL, customer_id integer);
CREATE TABLE notification_preferences (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id integer NOT NULL UNIQUE REFERENCES users,
	customer_id integer NOT NULL,
	frequency text NOT NULL DEFAULT 'daily' CHECK (frequency IN ('daily', 'weekly')));
INSERT INTO users VALUES (1, 'ada@example.com', 10), (2, 'bob@example.com', 10), (3, 'cyd@example.com', 20), (4, 'dan@example.com', NULL);
INSERT INTO notification_preferences (user_id, customer_id, frequency) VALUES (1, 10, 'weekly');

-- Declare.
SELECT reconcile.create_invariant('user_preferences', 'notification_preferences', '{user_id}',
	$$ SELECT u.id AS user_id, u.customer_id FROM users u WHERE u.customer_id IS NOT NULL $$);
SELECT name, kind, severity, target, key, owner = current_user::regrole AS mine, search_path FROM reconcile.invariants;

-- See.
SELECT invariant, severity, state, expected, present, missing, differing, duplicated, message FROM reconcile.audit();
SELECT jsonb_pretty(samples) AS samples FROM reconcile.audit('user_preferences', samples => 1);
SELECT * FROM reconcile.findings('user_preferences') ORDER BY key::text;

-- Look before repairing: the default writes nothing.
SELECT invariant, run_id, planned, changed, already_present, failed FROM reconcile.repair('user_preferences');
SELECT user_id, customer_id, frequency FROM notification_preferences ORDER BY user_id;

-- Repair.
SELECT invariant, run_id, planned, changed, already_present, failed FROM reconcile.repair('user_preferences', dry_run => false);
SELECT user_id, customer_id, frequency FROM notification_preferences ORDER BY user_id;
SELECT invariant, state, message FROM reconcile.audit();

-- The second run changes nothing.
SELECT invariant, run_id, planned, changed, already_present, failed FROM reconcile.repair('user_preferences', dry_run => false);

-- What differs is shown, and left alone.
SELECT reconcile.create_invariant('daily_mail', 'notification_preferences', '{user_id}',
	$$ SELECT id AS user_id, customer_id, 'daily' AS frequency FROM users WHERE customer_id IS NOT NULL $$,
	compare => '{frequency}', severity => 'notice');
SELECT kind, key, actual, reason FROM reconcile.findings('daily_mail');
SELECT invariant, state, missing, differing FROM reconcile.audit() ORDER BY invariant;
SELECT invariant, planned, changed FROM reconcile.repair('daily_mail', dry_run => false);

-- A row that the table refuses does not stop the others; it is recorded, and tried again by the next repair.
DELETE FROM notification_preferences;
ALTER TABLE notification_preferences ADD CONSTRAINT big_customers CHECK (customer_id < 20);
SELECT invariant, planned, changed, already_present, failed FROM reconcile.repair('user_preferences', dry_run => false);
SELECT invariant, key, source, sqlstate, message, attempts FROM reconcile.failures;
SELECT invariant, planned, changed, already_present, failed FROM reconcile.repair('user_preferences', dry_run => false);
SELECT invariant, key, attempts FROM reconcile.failures;
ALTER TABLE notification_preferences ALTER id RESTART 100;
SELECT reconcile.repair('user_preferences', dry_run => false, on_row_error => 'stop');
ALTER TABLE notification_preferences DROP CONSTRAINT big_customers;
SELECT invariant, planned, changed, already_present, failed FROM reconcile.repair('user_preferences', dry_run => false);
SELECT invariant, key, attempts FROM reconcile.failures;
SELECT run_id, invariant, state, planned, changed, already_present, failed, progress FROM reconcile.runs ORDER BY run_id;

-- Mistakes are explained.
SELECT reconcile.audit('user_preference');
SELECT reconcile.repair(NULL, pack => 'teams');
SELECT reconcile.repair('user_preferences', record => 'ctid');
SELECT reconcile.create_invariant('user_preferences', 'notification_preferences', '{user_id}', 'SELECT 1 AS user_id, 2 AS customer_id');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT u.idd AS user_id FROM users u');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT id AS user_id, customer AS customer_id FROM users');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT id AS user_id FROM users');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT id AS user_id, email AS customer_id FROM users');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT 1 AS user_id, 2 AS customer_id, 3 AS id');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{userid}', 'SELECT 1 AS user_id, 2 AS customer_id');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{customer_id}', 'SELECT 1 AS user_id, 2 AS customer_id');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'DELETE FROM users');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT 1 AS user_id; DROP TABLE users');
SELECT reconcile.create_invariant('x', 'notification_preferences', '{user_id}', 'SELECT 1 AS user_id, 2 AS customer_id', where_absent => 'frequency');
SELECT reconcile.create_invariant('two_of_each', 'notification_preferences', '{user_id}',
	$$ SELECT 9 AS user_id, c AS customer_id FROM unnest('{10,20}'::integer[]) AS c $$);
SELECT reconcile.repair('two_of_each');
SELECT reconcile.drop_invariant('two_of_each');

-- What cannot be checked is said, not guessed.
ALTER TABLE users RENAME customer_id TO company_id;
SELECT invariant, state, missing, message FROM reconcile.audit() ORDER BY invariant;
SELECT reconcile.repair('user_preferences', dry_run => false);
ALTER TABLE users RENAME company_id TO customer_id;

-- Done with it.
SELECT reconcile.drop_invariant('daily_mail');
SELECT reconcile.drop_invariant('user_preferences');
SELECT count(*) FROM reconcile.audit();
SELECT count(*) FROM reconcile.runs;
DROP EXTENSION pg_reconcile;
SELECT user_id, customer_id, frequency FROM notification_preferences ORDER BY user_id;
DROP TABLE notification_preferences, users;
