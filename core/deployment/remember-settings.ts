import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import Stripe from 'stripe';
import { rememberSetting, type SettingChange } from '../../db/deployment.ts';
import { raiseFlag } from '../../db/flags.ts';
import type { Db } from '../../db/knex.ts';

/** The settings that open bookings depend on. */
export interface WatchedSettings {
  temporal: { namespace: string; taskQueue: string };
  stripe: { livemode: boolean; isEmulated: boolean };
  freeCancelHours: number;
}

interface RememberDeps {
  db: Db;
  stripe: Stripe;
  log: Logger;
}

const retryMs = 5_000;

/** What a change does to open bookings, for the log and the flag; `needsPerson`: it does not carry on by itself. */
const effects: Readonly<Record<string, { effect: string; needsPerson: boolean }>> = {
  STRIPE_SECRET_KEY: {
    effect:
      'Stripe hides test payments from live keys, and live payments from test keys: earlier payments can be neither ' +
      'read nor refunded with this key. Set the old key again, or settle the open bookings at Stripe by hand.',
    needsPerson: true,
  },
  STRIPE_ACCOUNT: {
    effect:
      'Earlier payments belong to the other account: they can be neither read nor refunded with this key. ' +
      'Set the old key again, or settle the open bookings at Stripe by hand.',
    needsPerson: true,
  },
  FREE_CANCEL_HOURS: {
    effect:
      'The new value also applies to bookings that were made before. Tell their guests, or set the old value again.',
    needsPerson: true,
  },
  TEMPORAL_NAMESPACE: {
    effect: 'Open bookings get a new workflow in this namespace, by themselves.',
    needsPerson: false,
  },
  TEMPORAL_TASK_QUEUE: {
    effect: 'The workers also serve the old task queue, until its bookings have ended.',
    needsPerson: false,
  },
};

/**
 * Compares the settings that open bookings depend on with those of the last start, and says what has changed: in the
 * log, as a flag where a person must act, and at `/readyz` where it is Stripe. Waits for Postgres as long as it takes.
 */
export function rememberSettings(
  deps: RememberDeps,
  settings: WatchedSettings,
  stopping: AbortSignal,
): Promise<void> {
  return untilDone(deps.log, stopping, async () => {
    for (const [name, value] of Object.entries(valuesOf(settings))) await rememberOne(deps, name, value);
  });
}

/**
 * The same for the account that the Stripe key is of. A restricted key may not read it, and an emulator may not
 * know it: then only the mode is compared.
 */
export async function rememberStripeAccount(
  deps: RememberDeps,
  { isEmulated }: WatchedSettings['stripe'],
  stopping: AbortSignal,
): Promise<void> {
  if (isEmulated) return;
  await untilDone(deps.log, stopping, async () => {
    const id = await readAccountId(deps.stripe);
    if (id) await rememberOne(deps, 'STRIPE_ACCOUNT', id);
  });
}

async function untilDone(log: Logger, stopping: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!stopping.aborted) {
    try {
      return await work();
    } catch (error) {
      log.debug({ err: error }, 'the settings of the last start could not be compared yet');
      await sleep(retryMs, undefined, { signal: stopping, ref: false }).catch(() => {});
    }
  }
}

function valuesOf({ temporal, stripe, freeCancelHours }: WatchedSettings): Record<string, string> {
  return {
    TEMPORAL_NAMESPACE: temporal.namespace,
    TEMPORAL_TASK_QUEUE: temporal.taskQueue,
    STRIPE_SECRET_KEY: modeOf(stripe),
    FREE_CANCEL_HOURS: String(freeCancelHours),
  };
}

function modeOf({ isEmulated, livemode }: WatchedSettings['stripe']): string {
  if (isEmulated) return 'emulator';
  return livemode ? 'live mode' : 'test mode';
}

/** @returns undefined when Stripe refuses to say. @throws when it gives no answer */
async function readAccountId(stripe: Stripe): Promise<string | undefined> {
  try {
    return (await stripe.accounts.retrieveCurrent()).id;
  } catch (error) {
    const isRefused = error instanceof Stripe.errors.StripeError && (error.statusCode ?? 500) < 500;
    if (isRefused) return undefined;
    throw error;
  }
}

async function rememberOne({ db, log }: RememberDeps, name: string, is: string): Promise<void> {
  const known = effects[name];
  // One transaction: a change that is remembered without its flag would be noticed by nobody.
  const change = await db.transaction(async (transaction) => {
    const found = await rememberSetting(transaction, name, is);
    if (found && known?.needsPerson) await flagChange(transaction, found, is, known.effect);
    return found;
  });
  if (change)
    log.warn({ setting: name, was: change.was, is }, `A setting has changed. ${known?.effect ?? ''}`);
}

function flagChange(db: Db, { name, was, since }: SettingChange, is: string, effect: string): Promise<void> {
  const subject = `${name} ${since.toISOString()}`;
  return raiseFlag(db, { kind: 'setting_changed', subject, detail: `It was ${was} and is ${is}. ${effect}` });
}
