import { alternate, type Bench, closed, type Figure, ms, open, ratio, format0 } from '../figure.ts';
import type { Target } from '../load/job.ts';
import { fillWeek, insertPastBookings, staffId, usersCount } from '../seed.ts';
import type { Service } from '../service.ts';
import { expectOnly, summarise } from '../stats.ts';

interface Reading {
  what: string;
  requests: { path: string; token?: string }[];
  sql: { text: string; values: unknown[][] };
}

const page = 'select b.* from booking_rows b';
const cursorOf = (id: number) => Buffer.from(`before:${id}`).toString('base64url');
const clients = 8;
const perSecond = 50;

/** The reads, over a table that grows. */
export const lists: Figure = {
  name: 'lists',
  title: 'Reads at a growing table',
  async measure(bench) {
    const service = await bench.service({ temporal: false });
    await fillWeek(service.db, 1);
    const rows: string[][] = [];
    const p99s = new Map<string, number[]>();
    let have = (await service.db.query('select max(id)::int as n from bookings')).rows[0].n;
    for (const size of bench.sizes.listRows) {
      if (size > have) await grow(service, have, size);
      have = Math.max(have, size);
      for (const reading of readingsAt(service, size)) {
        const { floor, ours, slow, slowFloor } = await read(bench, service, reading);
        p99s.set(reading.what, [...(p99s.get(reading.what) ?? []), slow.p99]);
        rows.push([
          ...[reading.what, String(size), format0(floor.perSecond), format0(ours.perSecond)],
          ratio(ours.perSecond / floor.perSecond),
          ...[ms(slowFloor.p50), ms(slow.p50), ms(slowFloor.p99), ms(slow.p99), String(ours.bytes)],
        ]);
      }
      bench.log(`  ${size} rows: done`);
    }
    const first = p99s.get('all bookings, first page') ?? [];
    const deep = p99s.get('all bookings, deep page') ?? [];
    const [least, most] = [bench.sizes.listRows[0], bench.sizes.listRows.at(-1)];
    return {
      tables: [
        {
          heading: `${clients} clients (closed), and ${perSecond} arrivals a second (open) for p50 and p99`,
          head: [
            'read',
            'rows',
            'floor /s',
            'ours /s',
            'ratio',
            'floor p50 ms',
            'p50 ms',
            'floor p99 ms',
            'p99 ms',
            'bytes',
          ],
          rows,
        },
      ],
      thresholds: [
        {
          what: `first page of all bookings, p99 at ${most} rows over ${least} rows`,
          value: (first.at(-1) ?? Number.NaN) / (first[0] ?? Number.NaN),
          atMost: 2,
        },
        {
          what: `deep page over first page, p99 at ${most} rows`,
          value: (deep.at(-1) ?? Number.NaN) / (first.at(-1) ?? Number.NaN),
          atMost: 1.5,
        },
      ],
      method: 'The floor is the same SELECT, prepared, by bare pg (of a list: its page, without the count).',
    };
  },
};

/** Inserted in steps, so that one statement needs little memory. */
async function grow({ db }: Service, from: number, to: number): Promise<void> {
  const step = 100_000;
  for (let at = from; at < to; at += step) await insertPastBookings(db, at + 1, Math.min(to, at + step));
}

function readingsAt(service: Service, size: number): Reading[] {
  const staff = service.tokenOf(staffId);
  const tokens = service.tokens();
  // Bulk booking n belongs to user 1 + n % 64.
  const ids = Array.from({ length: 500 }, (_, n) => size - Math.floor((n * size) / 1_000));
  const deep = ids.map((id) => Math.max(200, id - Math.floor(size / 2)));
  const from = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  const to = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
  return [
    {
      what: 'rooms',
      requests: [{ path: '/api/rooms/' }],
      sql: { text: 'select * from rooms where is_available order by id limit 1000', values: [[]] },
    },
    {
      what: 'one booking',
      requests: ids.map((id) => ({ path: `/api/bookings/${id}/`, token: tokens[id % usersCount] as string })),
      sql: {
        text: `select b.*, p.*, f.status from booking_rows b
               left join lateral (select * from payments p where p.booking_id = b.id
                                  order by (p.id = b.confirmed_payment_id) desc nulls last, p.id desc limit 1) p on true
               left join refunds f on f.payment_id = p.id where b.id = $1`,
        values: ids.map((id) => [id]),
      },
    },
    {
      what: 'availability of a week',
      requests: [{ path: `/api/rooms/1/availability/?from=${from}&to=${to}` }],
      sql: {
        text: `select lower(c.during), upper(c.during), b.status, b.hold_expires_at
                 from claims c join bookings b on b.id = c.booking_id
                where c.room_id = $1 and c.during && tsrange($2, $3) order by lower(c.during)`,
        values: [[1, `${from}T00:00:00`, `${to}T24:00:00`]],
      },
    },
    {
      what: 'all bookings, first page',
      requests: [{ path: '/api/bookings/all/', token: staff }],
      sql: { text: `${page} order by b.id desc limit 51`, values: [[]] },
    },
    {
      what: 'all bookings, deep page',
      requests: deep.map((id) => ({ path: `/api/bookings/all/?cursor=${cursorOf(id)}`, token: staff })),
      sql: { text: `${page} where b.id < $1 order by b.id desc limit 51`, values: deep.map((id) => [id]) },
    },
  ];
}

async function read({ sizes, load }: Bench, service: Service, { what, requests, sql }: Reading) {
  const oursTarget: Target = { kind: 'get', port: service.port, requests };
  const floorTarget: Target = { kind: 'sql', url: service.databaseUrl, ...sql };
  const run = async (target: Target, model: ReturnType<typeof closed>) =>
    expectOnly(what, await load.run({ target, model }), 200);
  const sliceMs = sizes.sliceMs / 3;
  await run(oursTarget, closed(clients, sliceMs / 2));
  const fast = await alternate(
    sizes.rounds,
    () => run(floorTarget, closed(clients, sliceMs)),
    () => run(oursTarget, closed(clients, sliceMs)),
  );
  const slow = await alternate(
    sizes.rounds,
    () => run(floorTarget, open(perSecond, sliceMs * 2)),
    () => run(oursTarget, open(perSecond, sliceMs * 2)),
  );
  return {
    floor: summarise(fast.floor),
    ours: summarise(fast.ours),
    slowFloor: summarise(slow.floor),
    slow: summarise(slow.ours),
  };
}
