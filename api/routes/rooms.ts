import { z } from 'zod';
import {
  countRooms,
  findBookableRoom,
  findTakenRanges,
  listRooms,
  type BookableRoom,
  type TakenRange,
} from '../../db/rooms.ts';
import { datesToShow } from '../../domain/availability.ts';
import { availabilityDaysMax } from '../../domain/limits.ts';
import { Problem } from '../../domain/problems.ts';
import { formatTimeOfDay, type Slot, type SlotStatus, slotsOf, slotStatuses } from '../../domain/slots.ts';
import type { Deps } from '../deps.ts';
import { idCursor } from '../../http/id-cursor.ts';
import { route, type Route } from '../../http/route.ts';
import { cursor, date, exampleDate, id, idParams, instant, roomLimit } from '../../http/schemas.ts';
import { roomView, viewRoom } from '../views.ts';

const slotView = z
  .strictObject({
    date: z.iso.date(),
    start: z.string(),
    end: z.string(),
    start_time: z.string(),
    end_time: z.string(),
    starts_at: instant.nullable(),
    ends_at: instant.nullable(),
    status: z.enum(slotStatuses),
    frees_at: instant.nullable().meta({ description: 'When a held slot frees if it is not paid for.' }),
  })
  .meta({ id: 'Slot' });

const cursors = idCursor('after');

export function roomRoutes({ db, config }: Deps): Route[] {
  const list = route({
    method: 'GET',
    path: '/api/rooms/',
    access: 'anyone',
    tag: 'Rooms',
    summary: 'The rooms that can be booked, by id',
    query: z.strictObject({ limit: roomLimit, cursor }),
    isPublic: true,
    status: 200,
    response: z.strictObject({
      count: z.number().int().meta({ description: 'Of all pages together.' }),
      rooms: z.array(roomView),
      next: z.string().nullable().meta({ description: 'The cursor of the next page; null on the last.' }),
    }),
    problems: ['invalid_cursor'],
  })(async ({ query: { limit, cursor } }) => {
    const afterId = cursor === undefined ? undefined : cursors.read(cursor);
    const [found, count] = await Promise.all([listRooms(db, { limit: limit + 1, afterId }), countRooms(db)]);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      count,
      rooms: page.map(viewRoom),
      next: found.length > limit && last ? cursors.write(last.id) : null,
    };
  });

  const availability = route({
    method: 'GET',
    path: '/api/rooms/{id}/availability/',
    access: 'anyone',
    tag: 'Rooms',
    summary: `The slots of a day, or of up to ${availabilityDaysMax} days`,
    isPublic: true,
    params: idParams,
    exampleParams: { id: '1' },
    exampleQuery: () => ({ date: exampleDate() }),
    query: z.strictObject({ date: date.optional(), from: date.optional(), to: date.optional() }),
    status: 200,
    response: z.strictObject({
      room_id: id,
      time_zone: z.string(),
      from: z.iso.date(),
      to: z.iso.date(),
      slots: z.array(slotView),
    }),
    problems: ['room_not_found'],
  })(async ({ params, query }) => {
    const room = await findBookableRoom(db, params.id);
    if (!room) throw new Problem('room_not_found');
    const days = datesToShow(query, room, { now: new Date(), horizonDays: config.horizonDays });
    const slots = days.flatMap((day) => slotsOf(room, day));
    const { now, taken } = await findTakenRanges(db, room.id, ...spanOf(slots));
    const horizon = new Date(now.getTime() + config.horizonDays * 86_400_000);
    return {
      room_id: room.id,
      time_zone: room.timeZone,
      from: days[0] as string,
      to: days.at(-1) as string,
      slots: holdersOf(slots, taken).map(([slot, holder]) =>
        viewSlot(slot, statusOf(room, slot, { now, horizon }, holder), holder),
      ),
    };
  });

  return [list, availability];
}

function spanOf(slots: readonly Slot[]): [Date, Date] {
  const ranges = slots.flatMap((slot) => slot.range ?? []);
  return [ranges[0]?.startsAt ?? new Date(0), ranges.at(-1)?.endsAt ?? new Date(0)];
}

/**
 * Each slot with what holds it, if anything does. Both lists are in the order of time, and no two bookings that hold a
 * room overlap, so one walk through both is enough.
 */
function holdersOf(
  slots: readonly Slot[],
  taken: readonly TakenRange[],
): [slot: Slot, holder: TakenRange | undefined][] {
  let next = 0;
  return slots.map((slot) => {
    const { range } = slot;
    if (!range) return [slot, undefined];
    for (let ahead = taken[next]; ahead && ahead.endsAt <= range.startsAt; ahead = taken[next]) next++;
    const holder = taken[next];
    return [slot, holder && holder.startsAt < range.endsAt ? holder : undefined];
  });
}

function viewSlot(slot: Slot, status: SlotStatus, holder: TakenRange | undefined): z.input<typeof slotView> {
  const { range } = slot;
  const start_time = formatTimeOfDay(slot.startMinute);
  const end_time = formatTimeOfDay(slot.endMinute);
  return {
    date: slot.date,
    start: `${slot.date}T${start_time}`,
    end: `${slot.date}T${end_time}`,
    start_time,
    end_time,
    starts_at: range?.startsAt.toISOString() ?? null,
    ends_at: range?.endsAt.toISOString() ?? null,
    status,
    frees_at: status === 'held' && holder ? holder.freesAt.toISOString() : null,
  };
}

/** What can be booked is `free`; what lies beyond the horizon is `closed`, as long as it does. */
function statusOf(
  room: BookableRoom,
  slot: Slot,
  { now, horizon }: { now: Date; horizon: Date },
  holder: TakenRange | undefined,
): SlotStatus {
  if (!slot.range || !room.isAvailable) return 'closed';
  if (slot.range.startsAt <= now) return 'past';
  if (!holder) return slot.range.startsAt > horizon ? 'closed' : 'free';
  return holder.status === 'pending' ? 'held' : 'booked';
}
