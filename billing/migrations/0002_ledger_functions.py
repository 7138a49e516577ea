"""The two statements of the ledger: reserve and settle, each for many calls at once.

They are functions of the database so that one round trip does all of it under one lock, and so that the limits are
read where they are kept: a key revoked a moment ago reserves nothing, whatever a web process still believes.
Both take the customer's row as their lock, in the order of customers, so neither can wait for the other in a circle.
A row that somebody else holds for longer than a moment makes that customer's calls wait, not everybody's in the batch.
"""

from django.db import migrations

# Whether this transaction has the lock of a customer now; true as well where there is no such customer. Who waits holds
# up the other customers of the batch: 300 ms for a row, and for no further one once the statement is a second old.
HOLD = """
CREATE FUNCTION billing_hold(wanted bigint) RETURNS boolean
LANGUAGE plpgsql SET lock_timeout = '300ms' AS $$
BEGIN
  PERFORM 1 FROM billing_customer WHERE id = wanted FOR NO KEY UPDATE SKIP LOCKED;
  IF FOUND THEN RETURN true; END IF;
  IF clock_timestamp() > statement_timestamp() + interval '1 second' THEN
    RETURN NOT EXISTS (SELECT 1 FROM billing_customer WHERE id = wanted);
  END IF;
  BEGIN
    PERFORM 1 FROM billing_customer WHERE id = wanted FOR NO KEY UPDATE;
  EXCEPTION WHEN lock_not_available THEN
    RETURN false;
  END;
  RETURN true;
END $$;
"""

# A quota's rows of one call: all keys together and this key, today and this month, each with its limits.
RESERVE = """
CREATE FUNCTION billing_reserve(calls jsonb) RETURNS TABLE (request uuid, verdict text, detail jsonb)
LANGUAGE plpgsql AS $$
DECLARE
  call record; holder record; known record; full_one record; asked_for bigint; held boolean;
  today date := (now() AT TIME ZONE 'UTC')::date;
  this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
BEGIN
  FOR call IN
    SELECT * FROM jsonb_to_recordset(calls) AS c(
      request uuid, key bigint, customer bigint, endpoint text, model text, streamed boolean,
      microusd bigint, gpu_ms bigint, idempotency text, body text)
    ORDER BY c.customer, c.request
  LOOP
    request := call.request;
    detail := NULL;
    IF asked_for IS DISTINCT FROM call.customer THEN
      asked_for := call.customer; held := billing_hold(call.customer);
    END IF;
    IF NOT held THEN
      verdict := 'busy'; RETURN NEXT; CONTINUE;
    END IF;
    PERFORM 1 FROM billing_usagerecord u WHERE u.request_id = call.request;
    IF FOUND THEN
      -- Asked again because the answer to the first time was lost.
      verdict := 'ok'; RETURN NEXT; CONTINUE;
    END IF;
    SELECT k.day_limit_microusd, k.month_limit_microusd, k.day_gpu_s, k.month_gpu_s,
           c.suspended_at IS NOT NULL AS suspended,
           LEAST(c.month_limit_microusd, p.month_limit_microusd) AS all_month_microusd,
           COALESCE(c.day_gpu_s, p.day_gpu_s) AS all_day_gpu_s,
           COALESCE(c.month_gpu_s, p.month_gpu_s) AS all_month_gpu_s
      INTO holder
      FROM billing_apikey k JOIN billing_customer c ON c.id = k.customer_id JOIN billing_plan p ON p.id = c.plan_id
     WHERE k.id = call.key AND k.customer_id = call.customer AND k.revoked_at IS NULL
       AND (k.expires_at IS NULL OR k.expires_at > now());
    IF NOT FOUND THEN
      verdict := 'key_gone'; RETURN NEXT; CONTINUE;
    END IF;
    IF holder.suspended THEN
      verdict := 'suspended'; RETURN NEXT; CONTINUE;
    END IF;
    IF call.idempotency IS NOT NULL THEN
      SELECT u.request_id, u.state, u.body, u.prompt_tokens, u.completion_tokens, u.outcome INTO known
        FROM billing_usagerecord u WHERE u.customer_id = call.customer AND u.idempotency = call.idempotency;
      IF FOUND THEN
        verdict := CASE WHEN known.body <> call.body THEN 'other_body'
                        WHEN known.state = 'reserved' THEN 'in_flight' ELSE 'completed' END;
        detail := jsonb_build_object('request', known.request_id, 'outcome', known.outcome,
          'prompt_tokens', known.prompt_tokens, 'completion_tokens', known.completion_tokens);
        RETURN NEXT; CONTINUE;
      END IF;
    END IF;
    INSERT INTO billing_quota (customer_id, key, "window", starts, spent_microusd, reserved_microusd,
                               spent_gpu_ms, reserved_gpu_ms, alerted_percent)
    SELECT call.customer, w.key, w.name, w.starts, 0, 0, 0, 0, 0
      FROM (VALUES (0::bigint, 'day', today), (0, 'month', this_month),
                   (call.key, 'day', today), (call.key, 'month', this_month)) AS w(key, name, starts)
     WHERE NOT EXISTS (SELECT 1 FROM billing_quota q WHERE q.customer_id = call.customer AND q.key = w.key
                        AND q."window" = w.name AND q.starts = w.starts);
    SELECT w.source, w.name, w.microusd_limit, w.gpu_s_limit, q.spent_microusd, q.reserved_microusd,
           q.spent_gpu_ms, q.reserved_gpu_ms,
           w.microusd_limit IS NOT NULL
             AND q.spent_microusd + q.reserved_microusd + call.microusd > w.microusd_limit AS for_money
      INTO full_one
      FROM (VALUES (0::bigint, 'day', today, 'account', NULL::bigint, holder.all_day_gpu_s::bigint),
                   (0, 'month', this_month, 'account', holder.all_month_microusd, holder.all_month_gpu_s),
                   (call.key, 'day', today, 'key', holder.day_limit_microusd, holder.day_gpu_s),
                   (call.key, 'month', this_month, 'key', holder.month_limit_microusd, holder.month_gpu_s)
           ) AS w(key, name, starts, source, microusd_limit, gpu_s_limit)
      JOIN billing_quota q ON q.customer_id = call.customer AND q.key = w.key
                          AND q."window" = w.name AND q.starts = w.starts
     WHERE q.spent_microusd + q.reserved_microusd + call.microusd > w.microusd_limit
        OR (call.gpu_ms > 0 AND q.spent_gpu_ms + q.reserved_gpu_ms + call.gpu_ms > w.gpu_s_limit * 1000)
     LIMIT 1;
    IF FOUND THEN
      verdict := 'limit';
      detail := jsonb_build_object('source', full_one.source, 'window', full_one.name,
        'unit', CASE WHEN full_one.for_money THEN 'microusd' ELSE 'gpu_ms' END,
        'limit', CASE WHEN full_one.for_money THEN full_one.microusd_limit ELSE full_one.gpu_s_limit * 1000 END,
        'spent', CASE WHEN full_one.for_money THEN full_one.spent_microusd ELSE full_one.spent_gpu_ms END,
        'reserved', CASE WHEN full_one.for_money THEN full_one.reserved_microusd ELSE full_one.reserved_gpu_ms END);
      RETURN NEXT; CONTINUE;
    END IF;
    UPDATE billing_quota q
       SET reserved_microusd = q.reserved_microusd + call.microusd, reserved_gpu_ms = q.reserved_gpu_ms + call.gpu_ms
     WHERE q.customer_id = call.customer AND q.key IN (0, call.key)
       AND ((q."window" = 'day' AND q.starts = today) OR (q."window" = 'month' AND q.starts = this_month));
    INSERT INTO billing_usagerecord (request_id, customer_id, key_id, endpoint, model, streamed, state, outcome,
        error_code, reserved_microusd, reserved_gpu_ms, cost_microusd, gpu_ms, prompt_tokens, cached_tokens,
        completion_tokens, counted, duration_ms, energy_mj, idempotency, body, day, started_at)
    VALUES (call.request, call.customer, call.key, call.endpoint, call.model, call.streamed, 'reserved', '', '',
        call.microusd, call.gpu_ms, 0, 0, 0, 0, 0, true, 0, 0, call.idempotency, call.body, today, now());
    verdict := 'ok'; RETURN NEXT;
  END LOOP;
END $$;
"""

SETTLE = """
CREATE FUNCTION billing_settle(calls jsonb) RETURNS TABLE (request uuid, verdict text)
LANGUAGE plpgsql AS $$
DECLARE
  call record; line record; was_microusd bigint; was_gpu_ms bigint; asked_for bigint; held boolean;
  held_microusd bigint; held_gpu_ms bigint; counts_in date; its_key bigint;
BEGIN
  FOR call IN
    SELECT * FROM jsonb_to_recordset(calls) AS c(
      request uuid, key bigint, customer bigint, endpoint text, model text, streamed boolean, state text,
      outcome text, error_code text, microusd bigint, gpu_ms bigint, prompt_tokens integer, cached_tokens integer,
      completion_tokens integer, counted boolean, first_token_ms integer, duration_ms integer, energy_mj bigint)
    ORDER BY c.customer, c.request
  LOOP
    request := call.request;
    IF asked_for IS DISTINCT FROM call.customer THEN
      asked_for := call.customer; held := billing_hold(call.customer);
    END IF;
    IF NOT held THEN
      verdict := 'busy'; RETURN NEXT; CONTINUE;
    END IF;
    PERFORM 1 FROM billing_customer WHERE id = call.customer;
    IF NOT FOUND THEN
      verdict := 'gone'; RETURN NEXT; CONTINUE;
    END IF;
    -- None where the key was deleted with its owner's account: the call then counts for the customer alone.
    its_key := (SELECT id FROM billing_apikey WHERE id = call.key AND customer_id = call.customer);
    SELECT * INTO line FROM billing_usagerecord u WHERE u.request_id = call.request;
    IF NOT FOUND THEN
      -- Its reservation was lost with the last moments of a database that crashed: the call is on record all the same.
      held_microusd := 0; held_gpu_ms := 0; was_microusd := 0; was_gpu_ms := 0;
      counts_in := (now() AT TIME ZONE 'UTC')::date;
      INSERT INTO billing_usagerecord (request_id, customer_id, key_id, endpoint, model, streamed, state, outcome,
          error_code, reserved_microusd, reserved_gpu_ms, cost_microusd, gpu_ms, prompt_tokens, cached_tokens,
          completion_tokens, counted, duration_ms, energy_mj, body, day, started_at)
      VALUES (call.request, call.customer, its_key, call.endpoint, call.model, call.streamed, 'reserved', '', '', 0, 0,
          0, 0, 0, 0, 0, true, 0, 0, '', counts_in, now() - make_interval(secs => call.duration_ms / 1000.0));
    ELSIF line.state = 'reserved' THEN
      held_microusd := line.reserved_microusd; held_gpu_ms := line.reserved_gpu_ms;
      was_microusd := 0; was_gpu_ms := 0; counts_in := line.day;
    ELSIF line.state = 'swept' AND call.state = 'settled' THEN
      -- Given up too early: its process was alive after all, and knows better what was used.
      held_microusd := 0; held_gpu_ms := 0; was_microusd := line.cost_microusd; was_gpu_ms := line.gpu_ms;
      counts_in := line.day;
    ELSE
      verdict := 'known'; RETURN NEXT; CONTINUE;
    END IF;
    INSERT INTO billing_quota (customer_id, key, "window", starts, spent_microusd, reserved_microusd,
                               spent_gpu_ms, reserved_gpu_ms, alerted_percent)
    SELECT call.customer, w.key, w.name, w.starts, 0, 0, 0, 0, 0
      FROM (VALUES (0::bigint, 'day', counts_in), (0, 'month', date_trunc('month', counts_in)::date),
                   (its_key, 'day', counts_in), (its_key, 'month', date_trunc('month', counts_in)::date)
           ) AS w(key, name, starts)
     WHERE w.key IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM billing_quota q WHERE q.customer_id = call.customer AND q.key = w.key
                        AND q."window" = w.name AND q.starts = w.starts);
    UPDATE billing_quota q
       SET reserved_microusd = q.reserved_microusd - held_microusd,
           reserved_gpu_ms = q.reserved_gpu_ms - held_gpu_ms,
           spent_microusd = q.spent_microusd + call.microusd - was_microusd,
           spent_gpu_ms = q.spent_gpu_ms + call.gpu_ms - was_gpu_ms
     WHERE q.customer_id = call.customer AND q.key IN (0, its_key)
       AND ((q."window" = 'day' AND q.starts = counts_in)
         OR (q."window" = 'month' AND q.starts = date_trunc('month', counts_in)::date));
    UPDATE billing_usagerecord u
       SET state = call.state, outcome = call.outcome, error_code = call.error_code, cost_microusd = call.microusd,
           gpu_ms = call.gpu_ms, prompt_tokens = call.prompt_tokens, cached_tokens = call.cached_tokens,
           completion_tokens = call.completion_tokens, counted = call.counted, first_token_ms = call.first_token_ms,
           duration_ms = call.duration_ms, energy_mj = call.energy_mj, settled_at = now(),
           -- What never delivered anything may be asked again under the same key.
           idempotency = CASE WHEN call.completion_tokens = 0 AND call.outcome <> 'done' THEN NULL ELSE u.idempotency END
     WHERE u.request_id = call.request;
    UPDATE billing_apikey k SET last_used_at = date_trunc('minute', now())
     WHERE k.id = its_key AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute');
    verdict := 'settled'; RETURN NEXT;
  END LOOP;
END $$;
"""

# What a long answer has delivered so far, in case its process dies; never the last word. It waits for no row: one that
# is being settled needs no progress, and two batches that wait for each other would hold up the settlement.
PROGRESS = """
CREATE FUNCTION billing_progress(calls jsonb) RETURNS void
LANGUAGE sql AS $$
  UPDATE billing_usagerecord u SET prompt_tokens = f.prompt_tokens, completion_tokens = f.completion_tokens
    FROM (SELECT r.id, c.prompt_tokens, c.completion_tokens
            FROM jsonb_to_recordset(calls) AS c(request uuid, prompt_tokens integer, completion_tokens integer)
            JOIN billing_usagerecord r ON r.request_id = c.request
           WHERE r.state = 'reserved'
             FOR UPDATE OF r SKIP LOCKED) AS f
   WHERE u.id = f.id
$$;
"""

UNDO = """
DROP FUNCTION billing_reserve(jsonb); DROP FUNCTION billing_settle(jsonb); DROP FUNCTION billing_progress(jsonb);
DROP FUNCTION billing_hold(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(HOLD + RESERVE + SETTLE + PROGRESS, UNDO)]
