/** A verb cannot do what it was asked, and repeating it changes nothing. `type` says why, for programs. */
export class FinalFailure extends Error {
  readonly type: 'BookingNotFound' | 'RefundNotFound' | 'RefundParked' | 'RefundRefused';

  constructor(type: FinalFailure['type'], message: string) {
    super(message);
    this.type = type;
  }
}

/** A verb has not come to an end and is to be repeated, after `retryInMs` if that is given. */
export class NotYet extends Error {
  readonly type: 'PaymentStillOpen' | 'RefundUnsettled';
  readonly retryInMs: number | undefined;

  constructor(type: NotYet['type'], message: string, retryInMs?: number) {
    super(message);
    this.type = type;
    this.retryInMs = retryInMs;
  }
}
