import { accessSync, constants, readFileSync } from 'node:fs';
import { z } from 'zod';
import { DatabaseUrlError, readDatabaseUrl } from '../db/database-url.ts';

/** The kinds of settings. `mustBe` completes the message "PORT: …", and says what the setting must be. */

export const commaSeparated = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);
/** CORS compares texts: an entry in another form than a browser sends would never match. */
export const origins = commaSeparated.refine(
  (entries) => entries.every((entry) => URL.canParse(entry) && new URL(entry).origin === entry),
  'each must be as a browser sends it, like https://app.example.com: no path, no slash at the end',
);
export const flag = z.stringbool({ error: 'true or false' });
export const fileContent = z.string().transform((path, ctx) => {
  try {
    return readFileSync(path);
  } catch {
    ctx.addIssue({ code: 'custom', message: 'a file that can be read' });
    return z.NEVER;
  }
});
export const databaseUrl = z.string().superRefine((url, ctx) => {
  try {
    readDatabaseUrl(url);
  } catch (error) {
    if (!(error instanceof DatabaseUrlError)) throw error;
    ctx.addIssue({ code: 'custom', message: error.message.replace(/^must be /, '') });
  }
});
export const bytes = z.string().transform((text) => Buffer.from(text));
const plaintextMustBe = 'true, false or host:port';
export const flagOrAddress = z.union([flag, z.string().regex(/^\S+:\d+$/, plaintextMustBe)], plaintextMustBe);

export const number = (min: number, max: number, mustBe = `a number from ${min} to ${max}`) =>
  z.coerce.number(mustBe).min(min, mustBe).max(max, mustBe);
export const wholeNumber = (min: number, max: number, mustBe = `a whole number from ${min} to ${max}`) =>
  number(min, max, mustBe).int(mustBe);
export const limit = (fallback: number) => wholeNumber(0, 1_000_000).default(fallback);
export const webAddress = z.url({
  protocol: /^https?$/,
  error: 'an address that begins with http:// or https://',
});
/** A key whose first characters say what it is. */
export const startsWith = (pattern: RegExp, mustBe: string) => z.string().regex(pattern, mustBe);
export const longToken = z.string().min(16, 'at least 16 characters');
/** A server's address as Temporal's tools take it: without a port they add their own. */
export const serverAddress = z
  .string()
  .regex(/^(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?$/, 'host:port, without http:// and without a path');
export const readableFile = z.string().refine((path) => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}, 'a file that can be read');
const webhookSecretsMustBe = 'one or more secrets that begin with whsec_, comma-separated';
export const webhookSecrets = commaSeparated.pipe(
  z.array(startsWith(/^whsec_/, webhookSecretsMustBe), webhookSecretsMustBe).min(1, webhookSecretsMustBe),
);
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export const logLevel = z.enum(logLevels, `one of ${logLevels.join(', ')}`);
