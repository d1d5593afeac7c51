import { createHash, randomBytes } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Letters and digits, not guessable. */
function randomText(length: number): string {
  let text = '';
  for (const byte of randomBytes(length)) text += alphabet[byte % alphabet.length];
  return text;
}

/** An id in Stripe's manner, such as `pi_3…`; `req_` ids have no digit before the random part. */
export function newId(prefix: string): string {
  if (prefix === 'req') return `req_${randomText(14)}`;
  return `${prefix}_${prefix === 'evt' || prefix === 'pm' ? '1' : '3'}${randomText(23)}`;
}

export function newClientSecret(paymentIntentId: string): string {
  return `${paymentIntentId}_secret_${randomText(25)}`;
}

/** Sixteen letters and digits that are always the same for the same text. */
export function fingerprintOf(text: string): string {
  let fingerprint = '';
  for (const byte of createHash('sha256').update(text).digest().subarray(0, 16)) {
    fingerprint += alphabet[byte % alphabet.length];
  }
  return fingerprint;
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
