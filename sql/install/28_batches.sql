-- One repair in many transactions.  src/invariant/batches.cpp

CREATE FUNCTION reconcile.begin_batches(invariant text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_begin_batches';
REVOKE ALL ON FUNCTION reconcile.begin_batches(text) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.begin_batches(text) IS
	'used by repair_in_batches(): plans, and enters the run that will apply the plan';

CREATE FUNCTION reconcile.run_batch(run_id bigint, invariant text, batch_size integer) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_run_batch';
REVOKE ALL ON FUNCTION reconcile.run_batch(bigint, text, integer) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.run_batch(bigint, text, integer) IS
	'used by repair_in_batches(): applies the next rows of a run, true when more are left; changes user data';

CREATE FUNCTION reconcile.pause_run(run_id bigint) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_pause_run';
REVOKE ALL ON FUNCTION reconcile.pause_run(bigint) FROM PUBLIC;
COMMENT ON FUNCTION reconcile.pause_run(bigint) IS
	'used by repair_in_batches(): shows in the ledger that a run waits for a standby';

CREATE FUNCTION reconcile.refuse_transaction_block(procedure text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'reconcile_refuse_transaction_block';
COMMENT ON FUNCTION reconcile.refuse_transaction_block(text) IS
	'used by procedures that commit: raises 25001 when the caller has begun a transaction block';

-- A procedure that commits may have no SET clause, and loses a SET LOCAL at
-- each commit.  So everything in it is qualified, operators too.
CREATE PROCEDURE reconcile.repair_in_batches(
	invariant       text,
	batch_size      integer DEFAULT 5000,
	pause           interval DEFAULT '0',
	lock_timeout    interval DEFAULT '3s',
	max_standby_lag interval DEFAULT NULL,
	resume          bigint DEFAULT NULL)
	LANGUAGE plpgsql
AS $$
DECLARE
	longest_wait CONSTANT integer := 10;  -- attempts before a lock that stays taken is an error
	run      bigint;
	more     boolean := true;
	busy     boolean;
	attempts integer := 0;
BEGIN
	IF batch_size IS NULL OR pause IS NULL OR lock_timeout IS NULL THEN
		RAISE null_value_not_allowed USING
			MESSAGE = 'arguments "batch_size", "pause" and "lock_timeout" must not be null';
	END IF;
	IF batch_size OPERATOR(pg_catalog.<) 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'argument "batch_size" must be at least 1';
	END IF;
	PERFORM reconcile.refuse_transaction_block('CALL reconcile.repair_in_batches()');
	run := resume;

	WHILE more LOOP
		COMMIT;  -- an error in a function, before anything is done
		SET TRANSACTION ISOLATION LEVEL READ COMMITTED;  -- whatever the session's is: no batch fails to serialize
		BEGIN
			PERFORM pg_catalog.set_config('lock_timeout',
				(pg_catalog.date_part('epoch', lock_timeout) OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8::pg_catalog.text, true);
			IF run IS NULL THEN
				run := reconcile.begin_batches(invariant);
			ELSE
				more := reconcile.run_batch(run, invariant, batch_size);
			END IF;
			busy := false;
			attempts := 0;
		EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
			attempts := attempts OPERATOR(pg_catalog.+) 1;
			IF attempts OPERATOR(pg_catalog.>) longest_wait THEN
				RAISE;
			END IF;
			busy := true;
		END;
		COMMIT;

		IF busy THEN  -- twice as long each time, 0.1 s to 12.8 s
			PERFORM pg_catalog.pg_sleep(0.1 OPERATOR(pg_catalog.*) pg_catalog.power(2, least(attempts OPERATOR(pg_catalog.-) 1, 7)));
		ELSIF more THEN
			PERFORM pg_catalog.pg_sleep(pg_catalog.date_part('epoch', pause));
		END IF;
		WHILE more AND max_standby_lag IS NOT NULL AND EXISTS (
			SELECT FROM pg_catalog.pg_stat_replication s WHERE s.replay_lag OPERATOR(pg_catalog.>) max_standby_lag)
		LOOP
			PERFORM reconcile.pause_run(run);
			COMMIT;
			PERFORM pg_catalog.pg_sleep(1);
			COMMIT;  -- a new transaction sees new statistics
		END LOOP;
	END LOOP;
END $$;
REVOKE ALL ON PROCEDURE reconcile.repair_in_batches(text, integer, interval, interval, interval, bigint) FROM PUBLIC;
COMMENT ON PROCEDURE reconcile.repair_in_batches(text, integer, interval, interval, interval, bigint) IS
	'repairs an invariant in many transactions, watched in reconcile.runs and resumable; changes user data';
