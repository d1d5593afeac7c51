/**
 * The catalogue of refusals: every `code` that a client can get, with its status and title (RFC 9457). Codes never
 * change; details are for people. Any other error is a bug and becomes a bare 500.
 */
export const problems = {
  // Input
  malformed_request: { status: 400, title: 'The request is not valid HTTP.' },
  invalid_request: { status: 400, title: 'Some fields are not valid.' },
  malformed_json: { status: 400, title: 'The body is not valid JSON.' },
  invalid_cursor: {
    status: 400,
    title: 'The cursor is not valid for this list.',
    remedy: 'Use the `next` of an earlier page unchanged, or omit the cursor for the first page.',
  },
  invalid_idempotency_key: { status: 400, title: 'The Idempotency-Key is not valid.' },
  passwords_differ: { status: 400, title: 'The passwords do not match.' },
  password_too_weak: { status: 400, title: 'The password is too weak.' },
  // The rules of a booking
  end_before_start: { status: 400, title: 'The end must come after the start.' },
  off_grid: { status: 400, title: 'The times do not match the slots of this room.' },
  outside_opening_hours: { status: 400, title: 'The room is closed at this time.' },
  in_the_past: { status: 400, title: 'This time is in the past.' },
  too_far_ahead: { status: 400, title: 'This date is too far in the future.' },
  too_long: { status: 400, title: 'The booking has too many slots.' },
  over_capacity: { status: 400, title: 'The room does not hold that many guests.' },
  clock_change: { status: 400, title: 'The clocks change during this time.' },
  amount_mismatch: { status: 400, title: 'The amount or currency does not match the booking.' },
  amount_not_chargeable: {
    status: 400,
    title: 'The payment provider cannot charge this amount.',
    remedy: 'Book more or fewer slots, or tell the venue that this room cannot be paid for.',
  },
  already_paid: { status: 400, title: 'This booking is already paid.' },
  invalid_signature: { status: 400, title: 'The webhook signature is not valid.' },
  invalid_payload: { status: 400, title: 'The webhook payload is not valid.' },
  // Authentication and permissions
  unauthenticated: { status: 401, title: 'Authentication is required.' },
  invalid_token: {
    status: 401,
    title: 'The access token is not valid.',
    remedy: 'Get a new one with POST /api/token/refresh-cookie/, or log in again.',
  },
  invalid_credentials: { status: 401, title: 'Invalid email or password.' },
  invalid_refresh_token: {
    status: 401,
    title: 'The refresh token is missing, expired or revoked.',
    remedy: 'Log in again.',
  },
  staff_only: { status: 403, title: 'Permission denied. Admin access required.' },
  not_your_user: { status: 403, title: 'You can only book for yourself.' },
  account_not_changeable: {
    status: 403,
    title: 'You cannot change this account.',
    remedy: 'Nobody can change their own account: ask another member of staff.',
  },
  cross_site: {
    status: 403,
    title: 'Cross-site requests are refused.',
    remedy: 'Add the origin of your front end to CORS_ORIGINS. A proxy must forward the Host header.',
  },
  // Existence
  not_found: { status: 404, title: 'Not found.' },
  refund_not_found: { status: 404, title: 'The refund does not exist.' },
  room_not_found: { status: 404, title: 'The room does not exist or is not available.' },
  booking_not_found: { status: 404, title: 'The booking does not exist.' },
  method_not_allowed: { status: 405, title: 'Method not allowed here.' },
  // Conflicts
  email_taken: { status: 409, title: 'This e-mail is already registered.' },
  slot_taken: { status: 409, title: 'The room is already booked for this time.' },
  hold_expired: { status: 409, title: 'The hold on this slot has expired.' },
  bookings_ahead: {
    status: 409,
    title: 'This room has future bookings.',
    remedy: 'Confirm that they keep their wall-clock time in the new time zone, or leave the zone unchanged.',
  },
  bookings_cannot_move: {
    status: 409,
    title: 'Some bookings cannot keep their time in the new time zone.',
    remedy: 'Wait until they are over, or cancel them first.',
  },
  not_cancellable: { status: 409, title: 'This booking can no longer be cancelled.' },
  not_refundable: { status: 409, title: 'Nothing is left of this payment to refund.' },
  refund_not_retryable: { status: 409, title: 'This refund cannot be retried now.' },
  not_overdue: { status: 409, title: 'Only an overdue hold can be settled.' },
  request_in_progress: {
    status: 409,
    title: 'A request with this Idempotency-Key is still running.',
    remedy: 'Wait a second and send the same request again.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used with another request.',
    remedy: 'Use a new key for a different request.',
  },
  // Limits
  request_timeout: { status: 408, title: 'The request took too long to arrive.' },
  payload_too_large: { status: 413, title: 'The body is too large.' },
  uri_too_long: { status: 414, title: 'The URL is too long.' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json in UTF-8.' },
  headers_too_large: { status: 431, title: 'The headers are too large.' },
  too_many_holds: { status: 429, title: 'Too many unpaid holds.' },
  too_many_payment_attempts: {
    status: 429,
    title: 'Too many cards were declined for this booking.',
    remedy: 'The hold expires unpaid; book the slot again when it is free.',
  },
  too_many_requests: { status: 429, title: 'Too many requests.' },
  // Faults on our side
  internal_error: { status: 500, title: 'Something went wrong on our side.' },
  payment_provider_refused: { status: 502, title: 'The payment provider refused the request.' },
  overloaded: { status: 503, title: 'The service is busy.' },
  database_unavailable: { status: 503, title: 'The database is not responding.' },
  stripe_unavailable: { status: 503, title: 'The payment provider is not responding.' },
  workflow_unavailable: { status: 503, title: 'The booking engine is not responding.' },
} as const satisfies Record<string, Entry>;

interface Entry {
  status: number;
  title: string;
  /** The detail of a refusal that brings none of its own: what the client can do. */
  remedy?: string;
}

export type ProblemCode = keyof typeof problems;

export interface FieldError {
  field: string;
  message: string;
}

export interface ProblemExtras {
  /** One sentence for a person: what was wrong and what to do. */
  detail?: string;
  errors?: FieldError[];
  /** When the same request may succeed. */
  retryAfterSeconds?: number;
  /** The methods that the address takes. */
  allowedMethods?: readonly string[];
  /** The rest of the request cannot be read, so the connection cannot carry another one. */
  endsConnection?: boolean;
  /** Further members of the problem document. */
  members?: Record<string, unknown>;
}

/** An expected refusal. It may be thrown anywhere and is rendered in one place (http/problems.ts). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly status: number;
  readonly title: string;
  readonly extras: ProblemExtras;

  constructor(code: ProblemCode, extras: ProblemExtras = {}) {
    const { status, title, remedy }: Entry = problems[code];
    super(extras.detail ?? title);
    this.code = code;
    this.status = status;
    this.title = title;
    this.extras = remedy === undefined ? extras : { detail: remedy, ...extras };
  }
}

/** A refusal of one field. */
export function fieldProblem(code: ProblemCode, field: string, message: string): Problem {
  return new Problem(code, { detail: message, errors: [{ field, message }] });
}
