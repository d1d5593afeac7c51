/**
 * The limits that are promised, or that more than one file goes by, their units in their names. What tunes one file
 * stands at its top.
 */

/** Postgres's `integer`: ids, and amounts in minor units. */
export const integerMax = 2_147_483_647;

/** A hold is settled with Stripe as arbiter; without a final answer for this long it expires all the same. */
export const settleBoundMs = 10_000;
/** While Stripe says `processing` at the deadline, the hold is kept this much longer, asked for every so often. */
export const processingGraceMs = 10 * 60_000;
export const processingPollMs = 15_000;
/** Cards that are declined for one hold: after so many its PaymentIntent is cancelled, and there is no other. */
export const declinesMax = 10;
/** Whoever settles a hold holds its lease this long; longer than the bound, so that it ends first. */
export const settleLeaseMs = 15_000;
/** A request that collides with an overdue hold waits for its settlement no longer than this. */
export const collisionWaitMs = 1_000;
/** A workflow whose clock is ahead of the database's looks again after this at the latest. */
export const clockDoubtMs = 15_000;
/**
 * Steps that settle, complete or delete many rows at once trust no single clock: they wait until the database's and the
 * process's own are no further apart than this.
 */
export const clockSkewMaxMs = 60_000;
/** The sweeper in every API process leaves a hold to its workflow for this long. */
export const sweepDelayMs = 5_000;
/** The cleanup call does no more than this at a time. */
export const cleanupBatchMax = 100;

/** No call to Temporal waits longer (a lazy client would wait 20 s, a frozen server for ever). */
export const temporalCallMs = 2_000;
/** Temporal is tried again at least this often, however long it was away: it is used within 3 s of its return. */
export const temporalReconnectMaxMs = 2_000;

/** A message is born leased to the process that wrote it; another takes it over after this. */
export const outboxLeaseMs = 4_000;
/** A message that waits longer than this means that workflows lag behind the bookings. */
export const outboxLaggingMs = 30_000;
/** A message that fails this often without an outage is set aside, with a flag for staff. */
export const relayAttemptsMax = 12;

export const stripeTimeoutMs = 4_000;
/** Workflow steps of one worker that ask Stripe at once. The worker has places beyond these for all other steps. */
export const stripeStepsMax = 50;

/** Any other request has its answer by then: what is waited for is bounded, and 503 comes within three seconds. */
export const requestMs = 2_800;
/** `POST /api/payment-intent/` waits for Stripe: its own timeout, once repeated, and a little. */
export const stripeRequestMs = 12_000;

export const jsonBodyBytesMax = 64 * 1024;
export const webhookBodyBytesMax = 512 * 1024;
export const queryBytesMax = 2 * 1024;

export const pageSizeDefault = 50;
export const pageSizeMax = 100;
export const roomPageSizeMax = 1_000;
/** `count` is exact up to here; above it is the planner's estimate. */
export const countExactMax = 10_000;

export const availabilityDaysMax = 31;
/** A month of half hours around the clock, or a week of five minutes; a single day is always shown. */
export const availabilitySlotsMax = 2_016;
export const slotsPerBookingMax = 96;
export const guestCountMax = 10_000;
export const specialRequestsCharsMax = 2_000;

export const accessTokenSeconds = 30 * 60;
export const clockToleranceSeconds = 30;
export const refreshTokenDays = 7;
export const sessionDays = 30;
/** A refresh token presented again this soon after its rotation is a second tab or a lost answer, not a thief. */
export const refreshGraceMs = 30_000;
/** A guest's reads go by an answer of this age at most to whether the session is still open. */
export const sessionAnswerMs = 5_000;
/** A device is known to an account for this long after its last login there. */
export const deviceDays = 180;

export const passwordCharsMin = 8;
export const passwordBytesMax = 1_024;

export const idempotencyKeyHours = 24;
export const idempotencyLeaseMs = 15_000;
export const idempotencyKeyCharsMax = 255;

export const webhookSkewSeconds = 300;

/** The reconciler looks this far back at Stripe's events when it has no earlier run to go on from. */
export const reconcileLookBackMs = 3 * 86_400_000;
/** Runs overlap: an event can appear in Stripe's list later than its own time says. */
export const reconcileOverlapMs = 5 * 60_000;
export const reconcileBatchMax = 200;
/** Open stays whose instants one round of the reconciler compares with their wall-clock time. */
export const instantsCheckedMax = 1_000;
