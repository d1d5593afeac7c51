import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The files of this folder, in the order in which they can be created. */
const schemaFiles = [
  'common',
  'users',
  'sessions',
  'rooms',
  'bookings',
  'move-booking',
  'claims',
  'payments',
  'disputes',
  'refunds',
  'staff',
  'outbox',
  'requests',
  'hold-slot',
  'settle-hold',
  'decide-payment',
  'payment-events',
  'money-facts',
  'deployment',
];

/** The schema of today as one SQL text: the baseline that a new database begins with. */
export const readSchema = () =>
  schemaFiles.map((name) => readFileSync(new URL(`./${name}.sql`, import.meta.url), 'utf8')).join('\n');

/** Tells one version of the schema from another: the SHA-256 of its text, in hex. */
export const schemaDigest = () => createHash('sha256').update(readSchema()).digest('hex');
