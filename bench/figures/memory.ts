import { setTimeout as sleep } from 'node:timers/promises';
import { book, closed, type Figure, format0 } from '../figure.ts';
import { createWorkflowCounter, type Service } from '../service.ts';
import { expectOnly } from '../stats.ts';
import { residentMib } from '../usage.ts';

const restMs = 2_000;
const waitMsMax = 10 * 60_000;

/** Resident memory of the API and the worker. */
export const memory: Figure = {
  name: 'memory',
  title: 'Resident memory',
  async measure(bench) {
    const { sizes } = bench;
    const service = await bench.service({ temporal: true, settings: { HOLD_MINUTES: '1440' } });
    await sleep(Math.min(restMs, sizes.sliceMs));
    const atRest = read(service);
    const peak = { ...atRest };
    const watch = setInterval(() => {
      const now = read(service);
      peak.api = Math.max(peak.api, now.api);
      peak.worker = Math.max(peak.worker, now.worker);
    }, 100);
    const counter = await createWorkflowCounter(service.temporalAddress);
    try {
      expectOnly(
        'bookings',
        await book(bench, service, 'api', closed(32, waitMsMax, sizes.openWorkflows)),
        201,
      );
      const giveUpAt = Date.now() + waitMsMax;
      const open = () => counter.count('WorkflowType = "bookingWorkflow" AND ExecutionStatus = "Running"');
      while ((await open()) < sizes.openWorkflows) {
        if (Date.now() > giveUpAt) throw new Error('memory: not every workflow runs in time');
        await sleep(500);
      }
      await service.settle();
    } finally {
      clearInterval(watch);
      await counter.close();
    }
    await sleep(Math.min(restMs, sizes.sliceMs));
    const row = (name: string, { api, worker }: ReturnType<typeof read>) => [
      name,
      format0(api),
      format0(worker),
    ];
    return {
      tables: [
        {
          heading: 'MiB',
          head: ['', 'API', 'worker'],
          rows: [
            row('at rest, after the start', atRest),
            row('most under load', peak),
            row(`with ${sizes.openWorkflows} open workflows, at rest`, read(service)),
          ],
        },
      ],
      thresholds: [],
      method: 'VmRSS of /proc. The load is 32 clients that book as fast as they can.',
    };
  },
};

const read = ({ pids }: Service) => ({ api: residentMib(pids.api), worker: residentMib(pids.worker) });
