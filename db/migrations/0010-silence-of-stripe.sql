-- For how long Stripe has been asked about an overdue hold and gave no final answer. Ten seconds of that end the hold, not
-- ten seconds since its deadline: perhaps nobody has asked yet, because the service was away, or who did ask has died.
alter table bookings add column stripe_silent_ms integer not null default 0;
