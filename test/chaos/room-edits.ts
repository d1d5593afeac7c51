import { editRoom, type RoomFields } from '../../core/rooms/edit-room.ts';
import { Room } from '../../db/models.ts';
import { Problem } from '../../domain/problems.ts';
import type { ChaosStack } from './chaos-stack.ts';
import type { Random } from './random.ts';

/** The prices that a room may have had, each with the time (Unix ms) in which a request may have met it. */
export interface PriceFact {
  roomId: number;
  priceMinor: number;
  from: number;
  until: number;
}

const zones = [
  ...['UTC', 'Asia/Kathmandu', 'Asia/Tokyo', 'America/Bogota', 'Pacific/Pago_Pago'],
  ...['Europe/Berlin', 'America/New_York'],
];
const hours = [
  { opening_time: '00:00', closing_time: '24:00' },
  { opening_time: '00:00', closing_time: '24:00' },
  { opening_time: '06:00', closing_time: '22:00' },
] as const;

/** Edits rooms as staff does, with the service's own function, while their slots are booked. */
export function createRoomEdits({ db }: ChaosStack, room: { ids: readonly number[]; staffId: number }) {
  const prices: PriceFact[] = [];

  /** @returns a description of the edit, or of its refusal */
  async function edit(random: Random): Promise<string> {
    const before = await Room.query(db).findById(random.pick(room.ids)).throwIfNotFound();
    const fields = { ...fieldsOf(before), ...change(random) };
    const begunAt = Date.now();
    const request = { actorId: room.staffId, id: before.id, version: before.version, fields };
    // Recorded first, because an edit whose answer is lost may have taken effect.
    const isNewPrice = fields.price_minor !== before.price_minor;
    if (isNewPrice) prices.push(priceOf(before.id, fields.price_minor, begunAt));
    try {
      const edited = await editRoom(db, { ...request, keepWallClock: true });
      if (edited && isNewPrice) endPrice(before.id, before.price_minor);
      return edited ? describe(before, fields) : 'refused: edited by another meanwhile';
    } catch (error) {
      if (error instanceof Problem) return `refused: ${error.code}`;
      return `failed: ${(error as Error).message}`;
    }
  }

  /** A process may have priced a request just before the edit committed, and the booking's commit can be slower. */
  function endPrice(roomId: number, priceMinor: number): void {
    for (const price of prices)
      if (price.roomId === roomId && price.priceMinor === priceMinor)
        price.until = Math.min(price.until, Date.now());
  }

  return {
    prices,
    edit,
    async noteFirstPrices(): Promise<void> {
      for (const { id, price_minor } of await Room.query(db).findByIds([...room.ids]))
        prices.push(priceOf(id, price_minor, 0));
    },
  };
}

export type RoomEdits = ReturnType<typeof createRoomEdits>;

const priceOf = (roomId: number, priceMinor: number, from: number): PriceFact => ({
  ...{ roomId, priceMinor, from },
  until: Number.POSITIVE_INFINITY,
});

function change(random: Random): Partial<RoomFields> {
  switch (random.pick(['zone', 'hours', 'price'] as const)) {
    case 'zone':
      return { time_zone: random.pick(zones) };
    case 'hours':
      return random.pick(hours);
    case 'price':
      return { price_minor: random.between(500, 3_000) };
  }
}

function fieldsOf(room: Room): RoomFields {
  const { name, description, price_minor, currency, capacity, amenities, is_available } = room;
  const { slot_duration_minutes, opening_time, closing_time, time_zone } = room;
  return {
    ...{ name, description, price_minor, currency, capacity, amenities, is_available },
    ...{ slot_duration_minutes, opening_time, closing_time, time_zone },
  };
}

function describe(before: Room, after: RoomFields): string {
  if (after.time_zone !== before.time_zone) return `room ${before.id} now in ${after.time_zone}`;
  if (after.price_minor !== before.price_minor) return `room ${before.id} now costs ${after.price_minor}`;
  return `room ${before.id} now open ${after.opening_time}-${after.closing_time}`;
}
