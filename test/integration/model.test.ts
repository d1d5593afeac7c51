import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { rows } from '../../db/knex.ts';
import { collectEvidence, type Witnesses } from '../chaos/evidence.ts';
import type { Evidence } from '../chaos/facts.ts';
import { checkInvariants } from '../chaos/invariants.ts';
import { startSystem, type System, type TestUser } from '../setup/system.ts';
import { parallelSteps, serialSteps, type Step } from './model/commands.ts';
import { playParallel } from './model/play-parallel.ts';
import { playSerial } from './model/play-serial.ts';
import { openRoom, type Room } from './model/room-actions.ts';

/**
 * Which sequences are drawn. One seed, so that every run takes the same ways, all of them (the last test); other seeds
 * explore: `PROPERTY_SEED=n`, as a failure names it.
 */
const seed = Number(process.env['PROPERTY_SEED'] ?? 7);
/** Sequences at once, each in a room of its own: most of their time is waiting. */
const roomsAtOnce = Number(process.env['PROPERTY_ROOMS'] ?? 12);
const quietMsMax = 30_000;

describe(`random sequences of what can happen to bookings (PROPERTY_SEED=${seed})`, () => {
  let system: System;
  let guest: TestUser;
  let witnesses: Witnesses;
  beforeAll(async () => {
    // Four seconds: long enough to be paid for, short enough to run out in the middle of a sequence.
    system = await startSystem({ settings: { HOLD_MINUTES: String(4 / 60) } });
    guest = await system.newUser();
    await system.stripe.control.setWebhookBehaviour({ duplicate: 1, delayMs: [0, 300], reorder: true });
    witnesses = {
      query: (sql) => rows(system.db, sql),
      stripe: system.stripe.control,
      temporal: { ...inject('temporal'), taskQueue: system.config.temporal.taskQueue },
      commitTimes: false,
    };
  });
  afterAll(() => system.stop());

  /** Plays sequences in rooms of their own, lets every hold end, and waits until no violation is left. */
  async function playAll(
    sequences: Step[][],
    play: (room: Room, steps: Step[]) => Promise<void>,
  ): Promise<void> {
    const rooms = await Promise.all(sequences.map(() => openRoom(system, guest)));
    const played = await Promise.allSettled(sequences.map((steps, at) => play(rooms[at] as Room, steps)));
    const failures = played.flatMap((one, at) =>
      one.status === 'rejected' ? [`sequence ${at + 1}: ${(one.reason as Error).message}`] : [],
    );
    expect(failures).toEqual([]);
    await Promise.all(rooms.map((room) => room.expire()));
    const end = Date.now() + quietMsMax;
    let broken = await violationsNow();
    while (broken.length > 0 && Date.now() < end) broken = await violationsNow();
    expect(broken).toEqual([]);
  }

  async function violationsNow() {
    const known: Pick<Evidence, 'answers' | 'acceptedEvents' | 'recoveredAt'> = {
      answers: [],
      acceptedEvents: new Set(),
      recoveredAt: Date.now(),
    };
    return checkInvariants(await collectEvidence(witnesses, known));
  }

  const once = (steps: fc.Arbitrary<Step[]>, play: Parameters<typeof playAll>[1]) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(steps, { minLength: roomsAtOnce, maxLength: roomsAtOnce, size: 'max' }),
        (sequences) => playAll(sequences, play),
      ),
      // Shrinking would repeat minutes of waiting; the failing sequence is named instead.
      { seed, numRuns: 1, endOnFailure: true },
    );

  test(
    'one after the other: each answer and each booking is what the model says, and I1–I9 hold',
    () => once(serialSteps, playSerial),
    90_000,
  );

  test(
    'several at once: no answer that no order allows, and I1–I9 hold',
    () => once(parallelSteps, playParallel),
    90_000,
  );

  test('together the sequences covered every course of a booking', async () => {
    const causes = await rows<{ cause: string }>(system.db, 'select distinct cause from booking_events');
    const reasons = await rows<{ reason: string }>(system.db, 'select distinct reason from refunds');
    expect(causes.map(({ cause }) => cause)).toEqual(
      expect.arrayContaining(['requested', 'paid', 'unpaid', 'paid_late', 'cancelled']),
    );
    expect(reasons.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['late', 'cancelled']));
  });
});
