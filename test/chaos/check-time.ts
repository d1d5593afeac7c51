import type { Evidence, MoveFact } from './facts.ts';
import { stopMsMax } from './stops.ts';

const graceMicros = 60_000_000;
/** The maximum difference between the instants of two connections. */
const earlyMicrosMax = 500_000;
/** A clock that is wrong for longer than this is noticed by every part that reads it. */
const clockSeenMs = 8_000;

export function findLateHolds({ bookings, moves, recoveredAt }: Evidence): string[] {
  const endOf = new Map<number, MoveFact>();
  for (const move of moves) if (move.fromStatus === 'pending') endOf.set(move.bookingId, move);
  return bookings.flatMap((booking) => {
    const end = endOf.get(booking.id);
    const overdue = Math.max(booking.deadline, recoveredAt * 1_000);
    if (!end || end.toStatus === 'pending')
      return [`booking ${booking.id} is still pending${booking.wasProcessing ? ' (processing)' : ''}`];
    const lateMicros = end.committedAt - overdue;
    if (booking.wasProcessing || lateMicros <= graceMicros) return [];
    return [`booking ${booking.id} was pending ${Math.round(lateMicros / 1e6)} s too long`];
  });
}

/** Checks that one wrong clock ended no hold or stay before its time without a flag. */
export function findEarlyEnds({ bookings, moves, flags, databaseClockMs }: Evidence): string[] {
  const deadlineOf = new Map(bookings.map(({ id, deadline }) => [id, deadline]));
  const early = moves.flatMap(({ bookingId, toStatus, committedAt, actor }) => {
    const earlyMicros = (deadlineOf.get(bookingId) ?? 0) - committedAt;
    if (toStatus !== 'expired' || earlyMicros <= earlyMicrosMax) return [];
    return [
      `the hold of booking ${bookingId} ended ${(earlyMicros / 1e6).toFixed(1)} s too early, by ${actor}`,
    ];
  });
  const unfinished = bookings
    .filter(({ status, isOver }) => status === 'completed' && !isOver)
    .map(({ id }) => `booking ${id} is completed before its stay has ended`);
  const isFlagged = flags.some(({ kind }) => kind === 'clocks_differ');
  const untold =
    databaseClockMs > clockSeenMs && !isFlagged
      ? [`the database's clock was wrong for ${databaseClockMs} ms, and no flag says so`]
      : [];
  return [...early, ...unfinished, ...untold];
}

/** Checks that open bookings begin and end by their room's clock, in whatever zone the room is now. */
export function findOtherInstants({ bookings }: Evidence): string[] {
  return bookings
    .filter(
      ({ status, followsRoomZone }) => (status === 'pending' || status === 'confirmed') && !followsRoomZone,
    )
    .map(({ id }) => `the instants of booking ${id} are not those of its time on its room's clock`);
}

export function findSlowStops({ stops }: Evidence): string[] {
  return stops
    .filter(({ tookMs }) => tookMs > stopMsMax)
    .map(({ name, tookMs }) => `${name} had not ended ${tookMs} ms after it was told to stop`);
}
