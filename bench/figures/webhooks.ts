import { alternate, type Bench, closed, type Figure, ms, ratio, format0 } from '../figure.ts';
import type { Service } from '../service.ts';
import { insertHolds, insertPayments } from '../seed.ts';
import { expectOnly, summarise } from '../stats.ts';

/** Signed `payment_intent.succeeded` events, each the first of its payment. */
export const webhooks: Figure = {
  name: 'webhooks',
  title: 'Webhooks acknowledged',
  async measure(bench) {
    const rows: string[][] = [];
    const thresholds = [];
    for (const temporal of [false, true]) {
      const service = await bench.service({ temporal });
      const around = temporal ? 'with Temporal' : 'without';
      // With Temporal each slice leaves a backlog of several minutes.
      for (const clients of temporal ? bench.sizes.clients.slice(-1) : bench.sizes.clients) {
        const { floor, ours, statement } = await measureAt(bench, service, clients);
        const share = ours.perSecond / floor.perSecond;
        rows.push([
          ...[around, String(clients), format0(floor.perSecond), format0(ours.perSecond), ratio(share)],
          ...[format0(statement.perSecond), ratio(ours.perSecond / statement.perSecond)],
          ...[ms(floor.p50), ms(ours.p50), ms(floor.p99), ms(ours.p99)],
        ]);
        bench.log(
          `  ${around}, ${clients} clients: ${format0(ours.perSecond)}/s, ${ratio(share)} of the floor`,
        );
        if (clients === 32)
          thresholds.push({
            what: `webhooks at 32 clients, ${around}, of the floor`,
            value: share,
            atLeast: 0.35,
          });
      }
    }
    return {
      tables: [
        {
          heading: 'Closed model',
          head: [
            'service',
            'clients',
            'floor /s',
            'ours /s',
            'ratio',
            'its statement alone /s',
            'ours of that',
            'floor p50 ms',
            'p50 ms',
            'floor p99 ms',
            'p99 ms',
          ],
          rows,
        },
      ],
      thresholds,
      method:
        'Every event is signed, is the first of its payment and matches it, so it takes the whole path: verify, ' +
        'remember, record on the payment and the booking, leave the message. The floor is one insert of the event by bare pg. ' +
        'Its statement alone: the one that the webhook runs (five tables), by bare pg, once after the slices.',
    };
  },
};

async function measureAt({ sizes, load }: Bench, service: Service, clients: number) {
  const count = clients === 1 ? Math.ceil(sizes.webhooksPerSlice / 4) : sizes.webhooksPerSlice;
  const { floor, ours } = await alternate(
    sizes.rounds,
    async (round) => {
      const target = {
        kind: 'sql-event',
        url: service.databaseUrl,
        prefix: `floor-${clients}-${round}`,
      } as const;
      return expectOnly('floor', await load.run({ target, model: closed(clients, 60_000, count) }), 200);
    },
    async () => {
      const payments = await newPayments(service, count);
      const target = {
        kind: 'webhook',
        port: service.port,
        secret: service.stripe.webhookSecret,
        payments,
      } as const;
      return expectOnly('webhooks', await load.run({ target, model: closed(clients, 60_000) }), 200);
    },
    () => service.settle(),
  );
  await service.settle();
  const target = {
    kind: 'sql-record',
    url: service.databaseUrl,
    payments: await newPayments(service, count),
  } as const;
  const statement = expectOnly('statement', await load.run({ target, model: closed(clients, 60_000) }), 200);
  // Its messages were leased for a day, so that no relay delivered them; later steps must not wait for them.
  await service.db.query(
    `delete from outbox where available_at between now() + interval '1 hour' and now() + interval '2 days'`,
  );
  const { rows } = await service.db.query(
    `select count(*)::int as n from payments where status = 'requires_payment_method' and stripe_payment_intent_id like 'pi_bench_%'`,
  );
  if (rows[0].n > 0) throw new Error(`webhooks: ${rows[0].n} payments were not recorded`);
  return { floor: summarise(floor), ours: summarise(ours), statement: summarise([statement]) };
}

async function newPayments(service: Service, count: number) {
  return insertPayments(service.db, await insertHolds(service.db, service.takeSlots(count), count));
}
