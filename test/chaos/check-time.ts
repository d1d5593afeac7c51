import type { Evidence, MoveFact } from './facts.ts';
import { stopMsMax } from './stops.ts';

const graceMicros = 60_000_000;
/** What the instants of two connections may differ by. */
const earlyMicrosMax = 500_000;
/** A clock that is wrong for longer than this is seen by every part that looks at it. */
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

/** What one wrong clock must not do: end a hold or a stay that has not run out, without anybody being told. */
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

/** Open bookings begin and end when their room's clock says so, whatever zone it has been given. */
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
