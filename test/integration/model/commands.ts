import fc from 'fast-check';

/** What may happen in one room with three slots of half an hour. `nth` counts the bookings made so far, from the newest. */
export type Command =
  | { do: 'book'; from: number; to: number }
  | { do: 'open_intent' | 'pay' | 'fail' | 'cancel'; nth: number }
  /** Stripe had not canceled after all: the money comes when the booking is over. */
  | { do: 'pay_late'; nth: number }
  /** All that Stripe has said of the booking's PaymentIntent comes again, in another order. */
  | { do: 'repeat_webhooks'; nth: number; order: number }
  /** An event that claims a success which Stripe does not know of. */
  | { do: 'false_webhook'; nth: number }
  /** Waits until no hold is open any more. */
  | { do: 'expire' };

/** Commands that happen at the same time; most of the time it is one. */
export type Step = readonly Command[];

const nth = fc.nat({ max: 2 });
const book = fc
  .constantFrom([0, 1], [1, 2], [2, 3], [0, 2], [1, 3])
  .map(([from = 0, to = 1]): Command => ({ do: 'book', from, to }));
const onBooking = (what: 'open_intent' | 'pay' | 'fail' | 'cancel' | 'pay_late' | 'false_webhook') =>
  nth.map((at): Command => ({ do: what, nth: at }));

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: book },
  { weight: 2, arbitrary: onBooking('open_intent') },
  { weight: 5, arbitrary: onBooking('pay') },
  { weight: 2, arbitrary: onBooking('fail') },
  { weight: 3, arbitrary: onBooking('cancel') },
  { weight: 1, arbitrary: onBooking('pay_late') },
  { weight: 1, arbitrary: onBooking('false_webhook') },
  {
    weight: 2,
    arbitrary: fc
      .record({ nth, order: fc.nat({ max: 1_000 }) })
      .map((at): Command => ({ do: 'repeat_webhooks', ...at })),
  },
  { weight: 1, arbitrary: fc.constant<Command>({ do: 'expire' }) },
);

const range = fc.constantFrom({ from: 0, to: 2 }, { from: 1, to: 2 }, { from: 1, to: 3 });

/** A hold runs out, its slot is perhaps taken by another, and then its money comes: rare by chance alone. */
const lateMoney: fc.Arbitrary<Command[]> = fc
  .record({ range, taken: fc.boolean() })
  .map(({ range, taken }) => [
    { do: 'book', ...range },
    { do: 'open_intent', nth: 0 },
    { do: 'expire' },
    ...(taken ? [{ do: 'book', ...range } as const] : []),
    { do: 'pay_late', nth: taken ? 1 : 0 },
  ]);

/** The same, but a rival and two messages of the money meet in one moment. */
const lateRace: fc.Arbitrary<Step[]> = range.map((range) => [
  [{ do: 'book', ...range }],
  [{ do: 'open_intent', nth: 0 }],
  [{ do: 'expire' }],
  [
    { do: 'book', ...range },
    { do: 'pay_late', nth: 0 },
    { do: 'false_webhook', nth: 0 },
  ],
]);

/** Nothing can happen without a booking. */
const first: Step = [{ do: 'book', from: 0, to: 2 }];

/** One after the other. */
export const serialSteps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof({ weight: 8, arbitrary: command.map((one) => [one]) }, { weight: 1, arbitrary: lateMoney }),
    { minLength: 6, maxLength: 12 },
  )
  .map((fragments) => [first, ...fragments.flat().map((one) => [one])]);

/** Two or three at once, several times. */
export const parallelSteps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.array(command, { minLength: 2, maxLength: 3 }).map((step): Step[] => [step]),
      },
      { weight: 1, arbitrary: lateRace },
    ),
    { minLength: 3, maxLength: 6 },
  )
  .map((fragments) => [first, ...fragments.flat()]);
