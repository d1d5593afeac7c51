import { z } from 'zod';
import {
  countRooms,
  findBookableRoom,
  findTakenTimes,
  listRooms,
  type BookableRoom,
  type TakenTime,
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
    frees_at: instant.nullable().meta({
      description:
        'When a held slot can be booked if its hold is not paid for. Null where it never can: the hold ends too late.',
    }),
  })
  .meta({ id: 'Slot' });

const cursors = idCursor('after');

export function roomRoutes({ db, config, dayClocks }: Deps): Route[] {
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
    const [from, to] = [days[0] as string, days.at(-1) as string];
    const slots = days.flatMap((day) => slotsOf(room, day, dayClocks));
    const { now, taken } = await findTakenTimes(db, room.id, from, to);
    const horizon = new Date(now.getTime() + config.horizonDays * 86_400_000);
    return {
      room_id: room.id,
      time_zone: room.timeZone,
      from,
      to,
      slots: holdersOf(slots, taken).map(([slot, holders]) =>
        viewSlot(slot, statusOf(room, slot, { now, horizon }, holders), { now, holders }),
      ),
    };
  });

  return [list, availability];
}

/** Each slot with what occupies any part of it. Both lists are in the order of time, so one walk through both is enough. */
function holdersOf(
  slots: readonly Slot[],
  taken: readonly TakenTime[],
): [slot: Slot, holders: readonly TakenTime[]][] {
  let first = 0;
  return slots.map((slot) => {
    for (let ahead = taken[first]; ahead && endsBefore(ahead, slot); ahead = taken[first]) first++;
    let next = first;
    for (let other = taken[next]; other && begunBeforeEndOf(slot, other); other = taken[next]) next++;
    return [slot, taken.slice(first, next)];
  });
}

const endsBefore = (taken: TakenTime, slot: Slot) =>
  taken.date < slot.date || (taken.date === slot.date && taken.endMinute <= slot.startMinute);

const begunBeforeEndOf = (slot: Slot, taken: TakenTime) =>
  taken.date < slot.date || (taken.date === slot.date && taken.startMinute < slot.endMinute);

interface Occupied {
  now: Date;
  holders: readonly TakenTime[];
}

function viewSlot(slot: Slot, status: SlotStatus, occupied: Occupied): z.input<typeof slotView> {
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
    frees_at: (status === 'held' && freesAt(slot, occupied)?.toISOString()) || null,
  };
}

/** When the last of the holds ends, if somebody can book the slot then: not in the past, and before the slot begins. */
function freesAt({ range }: Slot, { now, holders }: Occupied): Date | undefined {
  const last = new Date(Math.max(...holders.map((holder) => holder.freesAt.getTime())));
  return range && last > now && last < range.startsAt ? last : undefined;
}

/** The status of a slot: the worst of its holders counts. Without one it is `free`, or `closed` while it lies beyond the horizon. */
function statusOf(
  room: BookableRoom,
  slot: Slot,
  { now, horizon }: { now: Date; horizon: Date },
  holders: readonly TakenTime[],
): SlotStatus {
  if (!slot.range || !room.isAvailable) return 'closed';
  if (slot.range.startsAt <= now) return 'past';
  if (holders.length === 0) return slot.range.startsAt > horizon ? 'closed' : 'free';
  return holders.every((holder) => holder.status === 'pending') ? 'held' : 'booked';
}
