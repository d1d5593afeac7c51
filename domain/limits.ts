/**
 * The limits that are promised, or that several files need, with their units in their names. A value that tunes one file
 * stands at the top of that file.
 */

/** Postgres's `integer`: ids, and amounts in minor units. */
export const integerMax = 2_147_483_647;

/** A hold is settled with Stripe as the arbiter; without a final answer for this long it expires all the same. */
export const settleBoundMs = 10_000;
/** While Stripe says `processing` at the deadline, the hold is kept this much longer, and Stripe is polled. */
export const processingGraceMs = 10 * 60_000;
export const processingPollMs = 15_000;
/** After this many declined cards, the PaymentIntent of a hold is cancelled, and the hold gets no new one. */
export const declinesMax = 10;
/** The lease of a hold that is being settled. It outlasts the bound, so that one settlement ends before another begins. */
export const settleLeaseMs = 15_000;
/** A request that collides with an overdue hold waits at most this long for its settlement. */
export const collisionWaitMs = 1_000;
/** A workflow whose clock is ahead of the database's checks again after this time at the latest. */
export const clockDoubtMs = 15_000;
/**
 * Steps that settle, complete or delete many rows at once trust no single clock: they run only while the clocks of the
 * database and the process differ by no more than this.
 */
export const clockSkewMaxMs = 60_000;
/** The sweeper in every API process leaves a hold to its workflow for this long. */
export const sweepDelayMs = 5_000;
/** The cleanup call settles at most this many holds. */
export const cleanupBatchMax = 100;

/** A call to Temporal waits at most this long. */
export const temporalCallMs = 2_000;
/** Longest pause between attempts to reach Temporal, however long it is down: it is used within 3 s of its return. */
export const temporalReconnectMaxMs = 2_000;

/** A new message is leased to the process that wrote it; after this time another may take it over. */
export const outboxLeaseMs = 4_000;
/** If a message waits longer than this, workflows lag behind the bookings. */
export const outboxLaggingMs = 30_000;
/** A message that fails this often, without an outage, is set aside and flagged for staff. */
export const relayAttemptsMax = 12;

export const stripeTimeoutMs = 4_000;
/** Workflow steps of one worker that call Stripe at once. The worker has further slots for all other steps. */
export const stripeStepsMax = 50;

/** Any other request is answered by then, at worst with 503, which is promised within three seconds. */
export const requestMs = 2_800;
/** `POST /api/payment-intent/` waits for Stripe: twice its timeout, and some more. */
export const stripeRequestMs = 12_000;

export const jsonBodyBytesMax = 64 * 1024;
export const webhookBodyBytesMax = 512 * 1024;
export const queryBytesMax = 2 * 1024;

export const pageSizeDefault = 50;
export const pageSizeMax = 100;
export const roomPageSizeMax = 1_000;
/** `count` is exact up to this number; above, it is the planner's estimate. */
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
/** A guest's read may rely on a check of the session that is at most this old. */
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
