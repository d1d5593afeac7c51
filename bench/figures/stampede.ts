import { closed, type Figure, ms, format0 } from '../figure.ts';
import { expectOnly, percentile } from '../stats.ts';

/** Many clients, one slot, one winner. */
export const stampede: Figure = {
  name: 'stampede',
  title: 'A stampede at one slot',
  async measure(bench) {
    const { sizes, load } = bench;
    const service = await bench.service({ temporal: true });
    const { clients, times } = sizes.stampede;
    const lasts: number[] = [];
    for (let time = 0; time < times; time++) {
      await service.settle();
      const result = await load.run({
        target: {
          kind: 'stampede',
          port: service.port,
          tokens: service.tokens(),
          slot: service.takeSlots(1),
        },
        model: closed(clients, 30_000, clients),
      });
      expectOnly('stampede', result, 201, 409);
      if (result.statuses['201'] !== 1) {
        throw new Error(`stampede: ${result.statuses['201'] ?? 0} clients won one slot`);
      }
      lasts.push(result.elapsedMs);
    }
    lasts.sort((a, b) => a - b);
    const row = [clients, times].map(String);
    row.push(
      ms(percentile(lasts, 0.5)),
      ms(percentile(lasts, 1)),
      format0((1000 * clients) / percentile(lasts, 0.5)),
    );
    return {
      tables: [
        {
          heading: 'Until the last answer',
          head: ['clients', 'times', 'median ms', 'worst ms', 'answers /s'],
          rows: [row],
        },
      ],
      thresholds: [],
      method: 'All clients are connected and send at once. One 201 and otherwise 409 is checked every time.',
    };
  },
};
