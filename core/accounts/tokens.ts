import { createHash, randomBytes } from 'node:crypto';

/** An opaque token: 256 random bits in base64url. What is stored is its hash. */
export const newToken = () => randomBytes(32).toString('base64url');

/** The SHA-256 of a token. Tokens are random, so a slow hash would add nothing. */
export const hashToken = (token: string) => createHash('sha256').update(token).digest();
