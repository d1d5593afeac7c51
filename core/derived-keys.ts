import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/**
 * What keys are derived for: one label a purpose, so that what one key has signed means nothing to another. A label
 * never changes its meaning; a new format of what it signs gets a new label.
 */
const labels = {
  refreshToken: 'refresh token, 1',
  deviceCookie: 'device cookie, 1',
  panelForm: 'panel form, 1',
} as const;

export type KeyPurpose = keyof typeof labels;

const salt = 'booking-service';
const keyBytes = 32;

export interface DerivedKey {
  /** HMAC-SHA256 by the first key. */
  sign(data: string | Buffer): Buffer;
  /** HMAC-SHA256 by every key, the signing key first; what a retired first key has signed is among them. */
  signByEach(data: string | Buffer): Buffer[];
  /** Was this signed by one of the keys? Takes the same time whatever is sent. */
  verify(data: string | Buffer, signature: Buffer): boolean;
}

/**
 * The key of one purpose, derived from each `SECRET_KEY` by HKDF-SHA256 (RFC 5869). The first signs and all verify, so
 * that a new `SECRET_KEY` can be put in front without ending what the old one has signed.
 */
export function deriveKey(secretKeys: readonly string[], purpose: KeyPurpose): DerivedKey {
  const keys = secretKeys.map((secret) =>
    Buffer.from(hkdfSync('sha256', secret, salt, labels[purpose], keyBytes)),
  );
  const [first] = keys;
  if (!first) throw new Error('at least one secret key is needed');
  const hmac = (key: Buffer, data: string | Buffer) => createHmac('sha256', key).update(data).digest();
  const signByEach = (data: string | Buffer) => keys.map((key) => hmac(key, data));
  return {
    sign: (data) => hmac(first, data),
    signByEach,
    verify: (data, signature) =>
      signByEach(data).some(
        (expected) => expected.length === signature.length && timingSafeEqual(expected, signature),
      ),
  };
}
