import { type PoolMode, startPgBouncer } from '../../dev/pgbouncer.ts';
import { alternate, type Bench, book, closed, type Figure, ms, ratio, format0 } from '../figure.ts';
import { type Service, startService } from '../service.ts';
import { expectOnly, summarise } from '../stats.ts';

const modes = ['session', 'transaction'] as const satisfies readonly PoolMode[];

/** Bookings through PgBouncer, beside the same service that reaches Postgres directly. */
export const poolers: Figure = {
  name: 'poolers',
  title: 'Through a connection pooler',
  async measure(bench) {
    const rows: string[][] = [];
    const thresholds: Awaited<ReturnType<Figure['measure']>>['thresholds'] = [];
    const direct = await startService(bench.environment, { temporal: false });
    try {
      for (const mode of modes) {
        const through = await startThrough(bench, mode);
        try {
          for (const clients of bench.sizes.clients) {
            const { straight, pooled } = await measureAt(bench, direct, through.service, clients);
            const share = pooled.perSecond / straight.perSecond;
            rows.push([
              ...[
                mode,
                String(clients),
                format0(straight.perSecond),
                format0(pooled.perSecond),
                ratio(share),
              ],
              ...[ms(straight.p50), ms(pooled.p50), ms(straight.p99), ms(pooled.p99)],
            ]);
            bench.log(`  pool_mode=${mode}, ${clients} clients: ${ratio(share)} of direct`);
            if (clients !== Math.max(...bench.sizes.clients)) continue;
            const what = `bookings at ${clients} clients through pool_mode=${mode}, of direct`;
            thresholds.push({ what, value: share, atLeast: 0.7 });
          }
        } finally {
          await through.stop();
        }
      }
    } finally {
      await direct.stop();
    }
    return {
      tables: [
        {
          heading: 'Closed model, without Temporal',
          head: [
            'mode',
            'clients',
            'direct /s',
            'pooled /s',
            'ratio',
            'direct p50 ms',
            'p50 ms',
            'direct p99 ms',
            'p99 ms',
          ],
          rows,
        },
      ],
      thresholds,
      method:
        'PgBouncer with stock settings on the same machine; statements go unnamed, and the role of the services brings ' +
        'the timeouts (`alter role … set`, by the migration). Slices of direct and pooled alternate.',
    };
  },
};

async function startThrough({ environment, log }: Bench, mode: PoolMode) {
  const { host: server, username, password } = new URL(environment.appUrl);
  const { dataDir: dir, processes } = environment.stack;
  const pooler = await startPgBouncer({
    ...{ name: `pgbouncer-${mode}`, dir, mode, server, processes, log },
    passwords: { [username]: password },
  });
  const service = await startService(environment, { temporal: false, databaseAddress: pooler.address });
  return {
    service,
    async stop(): Promise<void> {
      await service.stop();
      await pooler.stop();
    },
  };
}

async function measureAt(bench: Bench, direct: Service, pooled: Service, clients: number) {
  const slice = async (service: Service) =>
    expectOnly('bookings', await book(bench, service, 'api', closed(clients, bench.sizes.sliceMs)), 201);
  // The first statements of a connection are slower than later ones.
  for (const service of [direct, pooled]) await slice(service);
  const { floor, ours } = await alternate(
    Math.max(bench.sizes.rounds, 3),
    () => slice(direct),
    () => slice(pooled),
  );
  return { straight: summarise(floor), pooled: summarise(ours) };
}
