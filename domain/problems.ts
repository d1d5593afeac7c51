/**
 * The catalogue of refusals: every `code` that a client can meet, with its status and title (RFC 9457). A code is
 * stable; a detail is for people. Whatever is not a Problem is a bug and becomes a bare 500.
 */
export const problems = {
  // Input
  malformed_request: { status: 400, title: 'The request is not valid HTTP.' },
  invalid_request: { status: 400, title: 'Some fields are not valid.' },
  malformed_json: { status: 400, title: 'The body is not valid JSON.' },
  invalid_cursor: {
    status: 400,
    title: 'The cursor is not one that this list gave out.',
    remedy: 'Take the `next` of an earlier page as it is, or leave the cursor out for the first page.',
  },
  invalid_idempotency_key: { status: 400, title: 'The Idempotency-Key is not valid.' },
  passwords_differ: { status: 400, title: 'The passwords do not match.' },
  password_too_weak: { status: 400, title: 'The password is too weak.' },
  // The rules of a booking
  end_before_start: { status: 400, title: 'The end must come after the start.' },
  off_grid: { status: 400, title: 'The times do not fall on the slots of this room.' },
  outside_opening_hours: { status: 400, title: 'The room is closed at this time.' },
  in_the_past: { status: 400, title: 'This time has already begun.' },
  too_far_ahead: { status: 400, title: 'This date is too far ahead.' },
  too_long: { status: 400, title: 'The booking has too many slots.' },
  over_capacity: { status: 400, title: 'The room does not hold that many guests.' },
  clock_change: { status: 400, title: 'The clocks change during this time.' },
  amount_mismatch: { status: 400, title: 'The amount or currency is not that of the booking.' },
  amount_not_chargeable: {
    status: 400,
    title: 'The payment provider does not charge this amount.',
    remedy: 'Book more or fewer slots, or tell the venue that the price of this room cannot be paid.',
  },
  already_paid: { status: 400, title: 'This booking is already paid.' },
  invalid_signature: { status: 400, title: 'The webhook signature is not valid.' },
  invalid_payload: { status: 400, title: 'The webhook payload is not valid.' },
  // Who is asking
  unauthenticated: { status: 401, title: 'Authentication is required.' },
  invalid_token: {
    status: 401,
    title: 'The access token is not valid.',
    remedy: 'POST /api/token/refresh-cookie/ gives a new one, or log in again.',
  },
  invalid_credentials: { status: 401, title: 'Invalid email or password.' },
  invalid_refresh_token: {
    status: 401,
    title: 'The refresh token is missing, expired or revoked.',
    remedy: 'Log in again.',
  },
  staff_only: { status: 403, title: 'Permission denied. Admin access required.' },
  not_your_user: { status: 403, title: 'You can only book for yourself.' },
  cross_site: {
    status: 403,
    title: 'Cross-site requests are refused.',
    remedy: 'A front end on another origin must be in CORS_ORIGINS; a proxy must pass the Host header on.',
  },
  // What is there
  not_found: { status: 404, title: 'There is nothing at this address.' },
  refund_not_found: { status: 404, title: 'The refund does not exist.' },
  room_not_found: { status: 404, title: 'The room does not exist or is not available.' },
  booking_not_found: { status: 404, title: 'The booking does not exist.' },
  method_not_allowed: { status: 405, title: 'This address does not take that method.' },
  // Conflicts
  email_taken: { status: 409, title: 'This e-mail is already registered.' },
  slot_taken: { status: 409, title: 'The room is already booked for this time.' },
  hold_expired: { status: 409, title: 'The hold on this slot has ended.' },
  bookings_ahead: {
    status: 409,
    title: 'Bookings lie ahead in this room.',
    remedy: 'Say that they keep their wall-clock time in the new time zone, or leave the zone as it is.',
  },
  bookings_cannot_move: {
    status: 409,
    title: 'Some bookings cannot keep their time in the new time zone.',
    remedy: 'Wait until they are over, or cancel them first.',
  },
  not_cancellable: { status: 409, title: 'This booking can no longer be cancelled.' },
  not_refundable: { status: 409, title: 'There is nothing left of this payment to give back.' },
  refund_not_retryable: { status: 409, title: 'This refund cannot be sent again now.' },
  not_overdue: { status: 409, title: 'Only a hold whose deadline has passed can be settled.' },
  request_in_progress: {
    status: 409,
    title: 'A request with this Idempotency-Key is still running.',
    remedy: 'Wait a second and send the same request again.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used with another request.',
    remedy: 'Use a new key for a new request; with the old key send exactly the old one.',
  },
  // Limits
  request_timeout: { status: 408, title: 'The request took too long to arrive.' },
  payload_too_large: { status: 413, title: 'The body is too large.' },
  uri_too_long: { status: 414, title: 'The address is too long.' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json in UTF-8.' },
  headers_too_large: { status: 431, title: 'The headers are too large.' },
  too_many_holds: { status: 429, title: 'Too many unpaid holds.' },
  too_many_payment_attempts: {
    status: 429,
    title: 'Too many cards were declined for this booking.',
    remedy: 'The hold ends unpaid; book the slot again when it is free.',
  },
  too_many_requests: { status: 429, title: 'Too many requests.' },
  // Ours
  internal_error: { status: 500, title: 'Something went wrong on our side.' },
  payment_provider_refused: { status: 502, title: 'The payment provider refused the request.' },
  overloaded: { status: 503, title: 'The service is busy.' },
  database_unavailable: { status: 503, title: 'The database does not answer.' },
  stripe_unavailable: { status: 503, title: 'The payment provider does not answer.' },
  workflow_unavailable: { status: 503, title: 'The booking engine does not answer.' },
} as const satisfies Record<string, Entry>;

interface Entry {
  status: number;
  title: string;
  /** What to do, where no detail says it better. */
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

/** An expected refusal. Thrown anywhere, rendered in one place (http/problems.ts). */
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

/** An input fault of one field. */
export function fieldProblem(code: ProblemCode, field: string, message: string): Problem {
  return new Problem(code, { detail: message, errors: [{ field, message }] });
}
