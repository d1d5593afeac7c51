-- Made by `npm run schema:dump`; a test compares it with what the migrations make.

create extension btree_gist;

create table booking_events (
  id bigint generated always as identity not null,
  booking_id integer not null,
  at timestamp with time zone default clock_timestamp() not null,
  actor text not null,
  from_status text,
  to_status text not null,
  cause text not null,
  constraint booking_events_booking_id_fkey FOREIGN KEY (booking_id) REFERENCES bookings(id),
  constraint booking_events_pkey PRIMARY KEY (id)
);

create table bookings (
  id integer generated always as identity not null,
  ref uuid not null,
  user_id integer not null,
  room_id integer not null,
  booking_date date not null,
  start_time time without time zone not null,
  end_time time without time zone not null,
  time_zone text not null,
  during tstzrange not null,
  latest_start timestamp with time zone,
  sequence integer default 0 not null,
  number_of_slots integer not null,
  guest_count integer not null,
  special_requests text,
  amount_minor integer not null,
  currency text not null,
  status text default 'pending'::text not null,
  payment_status text default 'pending'::text not null,
  hold_expires_at timestamp with time zone not null,
  settle_after timestamp with time zone,
  settle_lease_until timestamp with time zone,
  stripe_silent_ms integer default 0 not null,
  workflow_id text not null,
  confirmed_payment_id integer,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint bookings_paid_by FOREIGN KEY (confirmed_payment_id, id) REFERENCES payments(id, booking_id),
  constraint bookings_pkey PRIMARY KEY (id),
  constraint bookings_ref_key UNIQUE (ref),
  constraint bookings_room_id_fkey FOREIGN KEY (room_id) REFERENCES rooms(id),
  constraint bookings_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint bookings_amounts_positive CHECK (((amount_minor > 0) AND (number_of_slots > 0) AND (guest_count > 0))),
  constraint bookings_currency_code CHECK ((currency ~ '^[a-z]{3}$'::text)),
  constraint bookings_during_half_open CHECK (((NOT isempty(during)) AND lower_inc(during) AND (NOT upper_inc(during)) AND isfinite(lower(during)) AND isfinite(upper(during)))),
  constraint bookings_paid_for CHECK (((status <> ALL (ARRAY['confirmed'::text, 'completed'::text])) OR (confirmed_payment_id IS NOT NULL))),
  constraint bookings_payment_status_known CHECK ((payment_status = ANY (ARRAY['pending'::text, 'processing'::text, 'succeeded'::text, 'failed'::text, 'refunded'::text]))),
  constraint bookings_special_requests_short CHECK ((length(special_requests) <= 2000)),
  constraint bookings_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'expired'::text, 'cancelled'::text, 'completed'::text]))),
  constraint bookings_times_ordered CHECK ((start_time < end_time))
) with (fillfactor=80);

create table claims (
  booking_id integer not null,
  room_id integer not null,
  during tsrange not null,
  constraint claims_booking_id_fkey FOREIGN KEY (booking_id) REFERENCES bookings(id),
  constraint claims_pkey PRIMARY KEY (booking_id),
  constraint claims_room_id_fkey FOREIGN KEY (room_id) REFERENCES rooms(id),
  constraint claims_slot_taken EXCLUDE USING gist (room_id WITH =, during WITH &&)
);

create table deployment_settings (
  name text not null,
  value text not null,
  since timestamp with time zone default clock_timestamp() not null,
  constraint deployment_settings_pkey PRIMARY KEY (name)
);

create table disputes (
  id text not null,
  payment_id integer not null,
  amount_minor integer not null,
  currency text not null,
  status text not null,
  withdrawn boolean not null,
  as_of timestamp with time zone not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  standing text generated always as (
CASE
    WHEN (status = ANY (ARRAY['warning_needs_response'::text, 'warning_under_review'::text, 'warning_closed'::text, 'won'::text])) THEN 'none'::text
    WHEN ((status = 'lost'::text) OR ((status = 'prevented'::text) AND withdrawn)) THEN 'lost'::text
    WHEN (status = 'prevented'::text) THEN 'none'::text
    ELSE 'open'::text
END) stored not null,
  constraint disputes_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments(id),
  constraint disputes_pkey PRIMARY KEY (id)
);

create table flags (
  id integer generated always as identity not null,
  kind text not null,
  subject text not null,
  detail text not null,
  booking_id integer,
  occurrences integer default 1 not null,
  last_at timestamp with time zone default now() not null,
  standing boolean default false not null,
  created_at timestamp with time zone default now() not null,
  resolved_at timestamp with time zone,
  constraint flags_booking_id_fkey FOREIGN KEY (booking_id) REFERENCES bookings(id),
  constraint flags_once UNIQUE (kind, subject),
  constraint flags_pkey PRIMARY KEY (id)
);

create table idempotency_keys (
  user_id integer not null,
  operation text not null,
  key text not null,
  fingerprint bytea not null,
  lease_id uuid not null,
  lease_until timestamp with time zone not null,
  result_id integer,
  created_at timestamp with time zone default now() not null,
  constraint idempotency_keys_lease_id_key UNIQUE (lease_id),
  constraint idempotency_keys_pkey PRIMARY KEY (user_id, operation, key),
  constraint idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id)
);

create table knex_migrations (
  id integer default nextval('knex_migrations_id_seq'::regclass) not null,
  name character varying(255),
  batch integer,
  migration_time timestamp with time zone,
  constraint knex_migrations_pkey PRIMARY KEY (id)
);

create table knex_migrations_lock (
  index integer default nextval('knex_migrations_lock_index_seq'::regclass) not null,
  is_locked integer,
  constraint knex_migrations_lock_pkey PRIMARY KEY (index)
);

create table outbox (
  id bigint generated always as identity not null,
  topic text not null,
  priority smallint not null,
  payload jsonb not null,
  available_at timestamp with time zone default now() not null,
  attempts integer default 0 not null,
  last_error text,
  dead_at timestamp with time zone,
  created_at timestamp with time zone default clock_timestamp() not null,
  constraint outbox_pkey PRIMARY KEY (id),
  constraint outbox_topic_known CHECK ((topic = ANY (ARRAY['start_booking'::text, 'booking_changed'::text, 'payment'::text, 'orphan_payment'::text, 'refund'::text])))
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);

create table parked_facts (
  id bigint generated always as identity not null,
  object_id text not null,
  stripe_payment_intent_id text,
  stripe_charge_id text,
  fact jsonb not null,
  created_at timestamp with time zone default now() not null,
  constraint parked_facts_pkey PRIMARY KEY (id)
);

create table payments (
  id integer generated always as identity not null,
  ref uuid not null,
  booking_id integer not null,
  attempt integer not null,
  stripe_payment_intent_id text,
  stripe_charge_id text,
  amount_minor integer not null,
  currency text not null,
  status text not null,
  amount_received_minor integer default 0 not null,
  charged_at timestamp with time zone,
  decision text,
  refunding_minor integer default 0 not null,
  disputed_minor integer default 0 not null,
  close_wanted boolean default false not null,
  declines integer default 0 not null,
  event_at timestamp with time zone,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint payments_attempt_once UNIQUE (booking_id, attempt),
  constraint payments_booking_id_fkey FOREIGN KEY (booking_id) REFERENCES bookings(id),
  constraint payments_intent_known UNIQUE (stripe_payment_intent_id),
  constraint payments_of_booking UNIQUE (id, booking_id),
  constraint payments_pkey PRIMARY KEY (id),
  constraint payments_ref_key UNIQUE (ref),
  constraint payments_amount_positive CHECK ((amount_minor > 0)),
  constraint payments_decision_known CHECK ((decision = ANY (ARRAY['kept'::text, 'returned'::text]))),
  constraint payments_not_over_refunded CHECK ((refunding_minor <= amount_received_minor)),
  constraint payments_status_known CHECK ((status = ANY (ARRAY['creating'::text, 'requires_payment_method'::text, 'requires_confirmation'::text, 'requires_action'::text, 'requires_capture'::text, 'processing'::text, 'succeeded'::text, 'canceled'::text])))
);

create table rate_limits (
  key character varying(255) not null,
  points integer default 0 not null,
  expire bigint,
  constraint rate_limits_pkey PRIMARY KEY (key)
);

create table readiness (
  id boolean default true not null,
  checked_at timestamp with time zone default clock_timestamp() not null,
  constraint readiness_pkey PRIMARY KEY (id),
  constraint readiness_one_row CHECK (id)
);

create table refresh_tokens (
  token_hash bytea not null,
  session_id uuid not null,
  issued_at timestamp with time zone default now() not null,
  expires_at timestamp with time zone not null,
  rotated_at timestamp with time zone,
  successor_hash bytea,
  constraint refresh_tokens_pkey PRIMARY KEY (token_hash),
  constraint refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE,
  constraint refresh_tokens_rotation CHECK (((rotated_at IS NULL) = (successor_hash IS NULL)))
);

create table refunds (
  id integer generated always as identity not null,
  ref uuid default gen_random_uuid() not null,
  payment_id integer not null,
  booking_id integer not null,
  reason text not null,
  amount_minor integer not null,
  currency text not null,
  status text default 'pending'::text not null,
  attempt integer default 1 not null,
  stripe_refund_id text,
  refusal_code text,
  last_error text,
  retried_by integer,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint refunds_of_payment FOREIGN KEY (payment_id, booking_id) REFERENCES payments(id, booking_id),
  constraint refunds_once UNIQUE (payment_id, booking_id, reason),
  constraint refunds_pkey PRIMARY KEY (id),
  constraint refunds_ref_key UNIQUE (ref),
  constraint refunds_retried_by_fkey FOREIGN KEY (retried_by) REFERENCES refunds(id),
  constraint refunds_stripe_refund_id_key UNIQUE (stripe_refund_id),
  constraint refunds_amount_positive CHECK ((amount_minor > 0)),
  constraint refunds_reason_known CHECK (((reason = ANY (ARRAY['late'::text, 'cancelled'::text, 'duplicate'::text, 'mismatch'::text])) OR (reason ~ '^(staff|stripe):.'::text))),
  constraint refunds_status_known CHECK ((status = ANY (ARRAY['pending'::text, 'parked'::text, 'refused'::text, 'submitted'::text, 'succeeded'::text, 'failed'::text, 'dropped'::text])))
);

create table rooms (
  id integer generated always as identity not null,
  name text not null,
  description text default ''::text not null,
  price_minor integer not null,
  currency text not null,
  capacity integer not null,
  amenities text[] default '{}'::text[] not null,
  is_available boolean default true not null,
  slot_duration_minutes integer default 30 not null,
  opening_time time without time zone not null,
  closing_time time without time zone not null,
  time_zone text not null,
  version integer default 1 not null,
  created_at timestamp with time zone default now() not null,
  updated_at timestamp with time zone default now() not null,
  constraint rooms_name_taken UNIQUE (name),
  constraint rooms_pkey PRIMARY KEY (id),
  constraint rooms_capacity_positive CHECK ((capacity > 0)),
  constraint rooms_currency_code CHECK ((currency ~ '^[a-z]{3}$'::text)),
  constraint rooms_grid CHECK ((((slot_duration_minutes >= 5) AND (slot_duration_minutes <= 1440)) AND (((EXTRACT(epoch FROM (closing_time - opening_time)))::integer % (slot_duration_minutes * 60)) = 0))),
  constraint rooms_hours CHECK ((opening_time < closing_time)),
  constraint rooms_price_positive CHECK ((price_minor > 0))
);

create table schema_baseline (
  digest text not null
);

create table sessions (
  id uuid not null,
  user_id integer not null,
  kind text default 'api'::text not null,
  token_hash bytea,
  created_at timestamp with time zone default now() not null,
  seen_at timestamp with time zone default now() not null,
  expires_at timestamp with time zone not null,
  revoked_at timestamp with time zone,
  revoked_by text,
  constraint sessions_pkey PRIMARY KEY (id),
  constraint sessions_token_once UNIQUE (token_hash),
  constraint sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id),
  constraint sessions_kind_known CHECK ((kind = ANY (ARRAY['api'::text, 'panel'::text]))),
  constraint sessions_panel_token CHECK (((kind = 'panel'::text) = (token_hash IS NOT NULL)))
);

create table staff_events (
  id bigint generated always as identity not null,
  at timestamp with time zone default clock_timestamp() not null,
  actor_id integer not null,
  action text not null,
  subject_kind text not null,
  subject_id integer not null,
  detail text default ''::text not null,
  constraint staff_events_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES users(id),
  constraint staff_events_pkey PRIMARY KEY (id),
  constraint staff_events_subject_known CHECK ((subject_kind = ANY (ARRAY['user'::text, 'room'::text, 'booking'::text, 'flag'::text])))
);

create table stripe_events (
  id text not null,
  type text not null,
  object_id text not null,
  received_at timestamp with time zone default now() not null,
  constraint stripe_events_pkey PRIMARY KEY (id)
);

create table task_queues (
  namespace text not null,
  name text not null,
  first_used_at timestamp with time zone default clock_timestamp() not null,
  constraint task_queues_pkey PRIMARY KEY (namespace, name)
);

create table users (
  id integer generated always as identity not null,
  email text not null,
  password_hash text not null,
  is_staff boolean default false not null,
  is_superuser boolean default false not null,
  is_active boolean default true not null,
  created_at timestamp with time zone default now() not null,
  constraint users_email_taken UNIQUE (email),
  constraint users_pkey PRIMARY KEY (id),
  constraint users_email_canonical CHECK (((email = lower(email)) AND (email = btrim(email)) AND (length(email) <= 254)))
);

create view booking_rows as
 SELECT shown_bookings.id,
    shown_bookings.ref,
    shown_bookings.user_id,
    shown_bookings.user_email,
    shown_bookings.room_id,
    shown_bookings.room_name,
    shown_bookings.booking_date,
    shown_bookings.start_time,
    shown_bookings.end_time,
    shown_bookings.starts_at,
    shown_bookings.ends_at,
    shown_bookings.time_zone,
    shown_bookings.number_of_slots,
    shown_bookings.guest_count,
    shown_bookings.special_requests,
    shown_bookings.amount_minor,
    shown_bookings.currency,
    shown_bookings.status,
    shown_bookings.payment_status,
    shown_bookings.hold_expires_at,
    shown_bookings.hold_seconds_left,
    shown_bookings.workflow_id,
    shown_bookings.confirmed_payment_id,
    shown_bookings.created_at
   FROM shown_bookings() shown_bookings(id, ref, user_id, user_email, room_id, room_name, booking_date, start_time, end_time, starts_at, ends_at, time_zone, number_of_slots, guest_count, special_requests, amount_minor, currency, status, payment_status, hold_expires_at, hold_seconds_left, workflow_id, confirmed_payment_id, created_at);

CREATE INDEX booking_events_of_booking ON public.booking_events USING btree (booking_id, id);
CREATE INDEX bookings_by_date ON public.bookings USING btree (booking_date, id);
CREATE INDEX bookings_by_status ON public.bookings USING btree (status, id);
CREATE INDEX bookings_holds_due ON public.bookings USING btree (GREATEST(hold_expires_at, settle_after)) WHERE (status = 'pending'::text);
CREATE INDEX bookings_not_paid ON public.bookings USING btree (user_id, room_id, booking_date) WHERE (status = ANY (ARRAY['expired'::text, 'cancelled'::text]));
CREATE INDEX bookings_of_room ON public.bookings USING btree (room_id, id);
CREATE INDEX bookings_of_user ON public.bookings USING btree (user_id, id);
CREATE INDEX bookings_open ON public.bookings USING btree (id) WHERE (status = ANY (ARRAY['pending'::text, 'confirmed'::text]));
CREATE INDEX bookings_open_holds ON public.bookings USING btree (user_id, hold_expires_at) WHERE (status = 'pending'::text);
CREATE INDEX bookings_stays_due ON public.bookings USING btree (upper(during)) WHERE (status = 'confirmed'::text);
CREATE INDEX claims_by_end ON public.claims USING btree (upper(during));
CREATE INDEX disputes_of_payment ON public.disputes USING btree (payment_id);
CREATE INDEX flags_open ON public.flags USING btree (created_at) WHERE (resolved_at IS NULL);
CREATE INDEX flags_standing ON public.flags USING btree (kind) WHERE standing;
CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (created_at);
CREATE INDEX outbox_dead ON public.outbox USING btree (id) WHERE (dead_at IS NOT NULL);
CREATE INDEX outbox_due ON public.outbox USING btree (priority, available_at) WHERE (dead_at IS NULL);
CREATE INDEX parked_facts_by_age ON public.parked_facts USING btree (created_at);
CREATE INDEX parked_facts_of_charge ON public.parked_facts USING btree (stripe_charge_id);
CREATE INDEX parked_facts_of_intent ON public.parked_facts USING btree (stripe_payment_intent_id);
CREATE INDEX parked_facts_of_object ON public.parked_facts USING btree (object_id);
CREATE INDEX payments_not_returned ON public.payments USING btree (updated_at) WHERE ((decision = 'returned'::text) AND ((refunding_minor + disputed_minor) < amount_received_minor));
CREATE INDEX payments_of_charge ON public.payments USING btree (stripe_charge_id);
CREATE UNIQUE INDEX payments_one_live ON public.payments USING btree (booking_id) WHERE (status <> ALL (ARRAY['succeeded'::text, 'canceled'::text]));
CREATE INDEX payments_to_close ON public.payments USING btree (booking_id) WHERE (close_wanted AND (status <> ALL (ARRAY['succeeded'::text, 'canceled'::text])));
CREATE INDEX payments_undecided ON public.payments USING btree (updated_at) WHERE ((status = 'succeeded'::text) AND (decision IS NULL));
CREATE INDEX payments_unsettled ON public.payments USING btree (updated_at) WHERE (status = ANY (ARRAY['creating'::text, 'processing'::text]));
CREATE INDEX rate_limits_by_expiry ON public.rate_limits USING btree (expire);
CREATE INDEX refresh_tokens_by_expiry ON public.refresh_tokens USING btree (expires_at);
CREATE INDEX refresh_tokens_of_session ON public.refresh_tokens USING btree (session_id);
CREATE INDEX refunds_of_booking ON public.refunds USING btree (booking_id, id);
CREATE INDEX refunds_open ON public.refunds USING btree (created_at) WHERE (status = ANY (ARRAY['pending'::text, 'parked'::text, 'refused'::text, 'submitted'::text, 'failed'::text]));
CREATE INDEX refunds_pending ON public.refunds USING btree (updated_at) WHERE (status = 'pending'::text);
CREATE INDEX sessions_by_expiry ON public.sessions USING btree (expires_at);
CREATE INDEX sessions_of_panel_by_expiry ON public.sessions USING btree (expires_at) WHERE ((kind = 'panel'::text) AND (revoked_at IS NULL));
CREATE INDEX sessions_of_user ON public.sessions USING btree (user_id) WHERE (revoked_at IS NULL);
CREATE INDEX staff_events_of_subject ON public.staff_events USING btree (subject_kind, subject_id, id);
CREATE INDEX stripe_events_by_age ON public.stripe_events USING btree (received_at);
CREATE INDEX users_email_prefix ON public.users USING btree (email text_pattern_ops);

create function apply_charge(p_payment_id integer, p_fact jsonb) returns void; -- plpgsql, volatile
create function apply_dispute(p_payment_id integer, p_fact jsonb) returns void; -- plpgsql, volatile
create function apply_fact(p_payment_id integer, p_fact jsonb) returns boolean; -- plpgsql, volatile
create function apply_parked_facts(p_payment payments) returns void; -- plpgsql, volatile
create function apply_refund(p_payment_id integer, p_fact jsonb) returns boolean; -- plpgsql, volatile
create function bump_room_version() returns trigger; -- plpgsql, volatile
create function decide_hold_payment(p_payment_ref uuid, p_actor text, p_workflow_id text) returns text; -- plpgsql, volatile
create function end_flags(p_ids integer[]) returns integer; -- sql, volatile
create function enqueue_refund(p_refund_id integer) returns void; -- plpgsql, volatile
create function expire_hold(p_ref uuid, p_actor text, p_cause text, p_leased boolean, p_latest timestamp with time zone) returns boolean; -- plpgsql, volatile
create function expire_overdue_holds(p_late_ms integer, p_limit integer, p_actor text, p_latest timestamp with time zone) returns integer; -- plpgsql, volatile
create function fact_lock_space() returns integer; -- sql, immutable
create function find_payment_of(p_intent_id text, p_charge_id text) returns payments; -- plpgsql, volatile
create function flag_dispute(p_dispute disputes, p_payment payments, p_shown text) returns void; -- plpgsql, volatile
create function hold_slot(request jsonb) returns TABLE(outcome text, booking booking_rows, outbox_id bigint, conflict_ref uuid, conflict_start time without time zone, conflict_end time without time zone, retry_after_seconds integer); -- plpgsql, volatile
create function is_amount_due(p_payment payments, p_booking bookings) returns boolean; -- sql, stable
create function is_legal_move(p_from text, p_to text) returns boolean; -- sql, immutable
create function is_overdue(p_booking bookings, p_at timestamp with time zone) returns boolean; -- sql, immutable
create function is_payable(p_payment payments) returns boolean; -- sql, immutable
create function keep_claim() returns trigger; -- plpgsql, volatile
create function keep_payment(p_payment payments, p_actor text, p_cause text, p_workflow_id text) returns boolean; -- plpgsql, volatile
create function leave_message(p_topic text, p_payload jsonb, p_lease_ms integer DEFAULT 0) returns bigint; -- plpgsql, volatile
create function lock_payment(p_payment_id integer) returns void; -- plpgsql, volatile
create function lost_minor(p_payment_id integer) returns integer; -- plpgsql, stable
create function move_booking(p_booking_id integer, p_to text, p_actor text, p_cause text, p_confirmed_payment_id integer DEFAULT NULL::integer, p_workflow_id text DEFAULT NULL::text) returns boolean; -- plpgsql, volatile
create function open_payment(p_booking_id integer, p_ref uuid, p_declines_max integer) returns TABLE(outcome text, payment_id integer, ref uuid, attempt integer, status text, intent_id text, amount_minor integer, currency text, booking_ref uuid, created_at timestamp with time zone); -- plpgsql, volatile
create function park_refund(p_refund_id integer) returns boolean; -- plpgsql, volatile
create function raise_flag(p_kind text, p_subject text, p_detail text, p_booking_id integer DEFAULT NULL::integer, p_standing boolean DEFAULT false) returns boolean; -- plpgsql, volatile
create function record_money_fact(p_event jsonb, p_fact jsonb) returns text; -- plpgsql, volatile
create function record_payment_events(p_events jsonb, p_lease_ms integer, p_declines_max integer) returns TABLE(place integer, outcome text, outbox_id bigint, topic text, payload jsonb); -- plpgsql, volatile
create function refund_payment(p_payment_id integer, p_reason text, p_amount_max integer DEFAULT NULL::integer) returns integer; -- plpgsql, volatile
create function refuse_change() returns trigger; -- plpgsql, volatile
create function refuse_illegal_move() returns trigger; -- plpgsql, volatile
create function refuse_refund(p_refund_id integer, p_detail text) returns void; -- plpgsql, volatile
create function refuse_second_decision() returns trigger; -- plpgsql, volatile
create function return_payment(p_payment payments, p_booking bookings, p_reason text) returns void; -- plpgsql, volatile
create function rotate_refresh_token(p_token_hash bytea, p_successor_hashes bytea[], p_token_life interval, p_grace interval, OUT outcome text, OUT session_id uuid, OUT user_id integer, OUT successor_hash bytea) returns record; -- plpgsql, volatile
create function settle_at(p_booking bookings) returns timestamp with time zone; -- sql, immutable
create function show_money(p_booking_id integer) returns void; -- plpgsql, volatile
create function shown_bookings() returns TABLE(id integer, ref uuid, user_id integer, user_email text, room_id integer, room_name text, booking_date date, start_time time without time zone, end_time time without time zone, starts_at timestamp with time zone, ends_at timestamp with time zone, time_zone text, number_of_slots integer, guest_count integer, special_requests text, amount_minor integer, currency text, status text, payment_status text, hold_expires_at timestamp with time zone, hold_seconds_left double precision, workflow_id text, confirmed_payment_id integer, created_at timestamp with time zone); -- sql, stable
create function shrink_unsent_refunds(p_payment_id integer, p_needed integer, p_except integer DEFAULT NULL::integer) returns void; -- plpgsql, volatile
create function sum_refunds() returns trigger; -- plpgsql, volatile
create function take_parked_facts() returns trigger; -- plpgsql, volatile
create function wall_clock(day date, start_time time without time zone, end_time time without time zone) returns tsrange; -- sql, immutable
create function want_late_payment_closed() returns trigger; -- plpgsql, volatile
create function want_payments_closed() returns trigger; -- plpgsql, volatile

CREATE TRIGGER booking_events_append_only BEFORE DELETE OR UPDATE ON public.booking_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER bookings_claim AFTER INSERT ON public.bookings FOR EACH ROW WHEN ((new.status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'completed'::text]))) EXECUTE FUNCTION keep_claim();
CREATE TRIGGER bookings_close_payments AFTER UPDATE OF status ON public.bookings FOR EACH ROW WHEN (((old.status = 'pending'::text) AND (new.status <> 'pending'::text))) EXECUTE FUNCTION want_payments_closed();
CREATE TRIGGER bookings_keep_claim AFTER UPDATE ON public.bookings FOR EACH ROW WHEN ((((old.status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'completed'::text])) IS DISTINCT FROM (new.status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'completed'::text]))) OR ((((old.room_id IS DISTINCT FROM new.room_id) OR (old.booking_date IS DISTINCT FROM new.booking_date)) OR (old.start_time IS DISTINCT FROM new.start_time)) OR (old.end_time IS DISTINCT FROM new.end_time)))) EXECUTE FUNCTION keep_claim();
CREATE TRIGGER bookings_legal_move BEFORE UPDATE OF status ON public.bookings FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION refuse_illegal_move();
CREATE TRIGGER payments_become_known AFTER INSERT ON public.payments FOR EACH ROW WHEN ((new.stripe_payment_intent_id IS NOT NULL)) EXECUTE FUNCTION take_parked_facts();
CREATE TRIGGER payments_become_paid AFTER UPDATE ON public.payments FOR EACH ROW WHEN (((new.stripe_payment_intent_id IS NOT NULL) AND ((old.stripe_payment_intent_id IS DISTINCT FROM new.stripe_payment_intent_id) OR ((new.status = 'succeeded'::text) AND (old.status <> 'succeeded'::text))))) EXECUTE FUNCTION take_parked_facts();
CREATE TRIGGER payments_decided_once BEFORE UPDATE OF decision ON public.payments FOR EACH ROW WHEN (((old.decision IS NOT NULL) AND (old.decision IS DISTINCT FROM new.decision))) EXECUTE FUNCTION refuse_second_decision();
CREATE TRIGGER payments_made_late BEFORE INSERT ON public.payments FOR EACH ROW WHEN ((new.status <> ALL (ARRAY['succeeded'::text, 'canceled'::text]))) EXECUTE FUNCTION want_late_payment_closed();
CREATE TRIGGER refunds_summed AFTER INSERT OR DELETE OR UPDATE OF status, amount_minor ON public.refunds FOR EACH ROW EXECUTE FUNCTION sum_refunds();
CREATE TRIGGER rooms_bump_version BEFORE UPDATE ON public.rooms FOR EACH ROW EXECUTE FUNCTION bump_room_version();
CREATE TRIGGER staff_events_append_only BEFORE DELETE OR UPDATE ON public.staff_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

grant insert, select on booking_events to booking_app;
grant usage on booking_events_id_seq to booking_app;
grant delete, insert, select, update on booking_rows to booking_app;
grant delete, insert, select, update on bookings to booking_app;
grant usage on bookings_id_seq to booking_app;
grant delete, insert, select, update on claims to booking_app;
grant delete, insert, select, update on deployment_settings to booking_app;
grant delete, insert, select, update on disputes to booking_app;
grant delete, insert, select, update on flags to booking_app;
grant usage on flags_id_seq to booking_app;
grant delete, insert, select, update on idempotency_keys to booking_app;
grant select on knex_migrations to booking_app;
grant usage on knex_migrations_id_seq to booking_app;
grant select on knex_migrations_lock to booking_app;
grant usage on knex_migrations_lock_index_seq to booking_app;
grant delete, insert, select, update on outbox to booking_app;
grant usage on outbox_id_seq to booking_app;
grant delete, insert, select, update on parked_facts to booking_app;
grant usage on parked_facts_id_seq to booking_app;
grant delete, insert, select, update on payments to booking_app;
grant usage on payments_id_seq to booking_app;
grant delete, insert, select, update on rate_limits to booking_app;
grant delete, insert, select, update on readiness to booking_app;
grant delete, insert, select, update on refresh_tokens to booking_app;
grant delete, insert, select, update on refunds to booking_app;
grant usage on refunds_id_seq to booking_app;
grant delete, insert, select, update on rooms to booking_app;
grant usage on rooms_id_seq to booking_app;
grant usage on schema public to booking_app;
grant select on schema_baseline to booking_app;
grant delete, insert, select, update on sessions to booking_app;
grant insert, select on staff_events to booking_app;
grant usage on staff_events_id_seq to booking_app;
grant delete, insert, select, update on stripe_events to booking_app;
grant delete, insert, select, update on task_queues to booking_app;
grant delete, insert, select, update on users to booking_app;
grant usage on users_id_seq to booking_app;
