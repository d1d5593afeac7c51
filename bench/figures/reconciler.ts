import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { type Repairs, repairBookings } from '../../core/reconcile/repair-bookings.ts';
import { connectDatabase, type Db } from '../../db/knex.ts';
import { type RunStatement, watchPlans } from '../../dev/postgres/watch-plans.ts';
import type { Sweep } from '../../domain/sweep.ts';
import { withClient } from '../../dev/databases.ts';
import { type Figure, format0, format3 } from '../figure.ts';
import { fillHistory } from '../seed-history.ts';

/** What Temporal takes to tell of one workflow, about as its dev server does on two shared cores. */
const describeMs = 5;
const roundsCount = 5;
const largeTableRows = 100_000;

/** A round of the reconciler, over a history of years and many open bookings. */
export const reconciler: Figure = {
  name: 'reconciler',
  title: 'A round of the reconciler',
  async measure(bench) {
    const { payments, openBookings } = bench.sizes.reconciler;
    const database = await bench.environment.newDatabase();
    try {
      const begun = performance.now();
      await withClient(database.superuserUrl, (owner) => fillHistory(owner, { payments, openBookings }));
      bench.log(`  filled in ${format3((performance.now() - begun) / 1000)} s`);
      const rounds = await runRounds(database.url, openBookings);
      const reads = await readsOf(database.superuserUrl, openBookings);
      const { rows: tables } = await withClient(database.superuserUrl, (owner) =>
        owner.query<TableSize>(
          `select relname as name, reltuples::int as rows from pg_class
            where relkind = 'r' and relnamespace = 'public'::regnamespace and reltuples > 1000 order by 2 desc`,
        ),
      );
      return {
        tables: [roundsTable(rounds), readsTable(tables, reads)],
        thresholds: [
          {
            what: 'seconds of the longest round',
            value: Math.max(...rounds.map(({ tookMs }) => tookMs)) / 1000,
            atMost: 10,
          },
          {
            what: `percent of a table over ${format0(largeTableRows)} rows that one statement read, at most`,
            value: Math.max(
              0,
              ...tables
                .filter(({ rows }) => rows > largeTableRows)
                .map((table) => mostRead(table, reads).percent),
            ),
            atMost: 1,
          },
        ],
        method:
          `${format0(payments)} payments, ${format0(openBookings)} open bookings. The repairs of a round, run as the worker runs ` +
          `them; Temporal is replaced by an answer after ${describeMs} ms (a namespace with so many workflows takes hours ` +
          'to fill), and nothing has to be asked of Stripe. The first round hurries, since it knows of no lap before it. ' +
          'Rows read are those that Postgres reports for each scan of each statement (auto_explain), in a round of its own.',
      };
    } finally {
      await database.drop();
    }
  },
};

interface TableSize {
  name: string;
  rows: number;
}

interface MeasuredRound {
  tookMs: number;
  seen: number;
  repairs: Repairs;
}

function repair(db: Db, running: number, sweep: Sweep | undefined): Promise<Repairs> {
  const statusOf = () => sleep(describeMs, 'RUNNING');
  const workflows = { statusOf, countRunning: async () => running };
  const deps = { db, stripe: null as never, log: pino({ level: 'silent' }), freeCancelHours: 24, workflows };
  return repairBookings(deps, { sweep });
}

/** The first, which hurries; then as a minute apart, once a lap has said how many are open. */
async function runRounds(url: string, open: number): Promise<MeasuredRound[]> {
  const db = connectDatabase(url, { poolMax: 10, applicationName: 'bench-reconciler' });
  const rounds: MeasuredRound[] = [];
  let sweep: Sweep | undefined;
  for (let round = 0; round < roundsCount; round++) {
    const begun = performance.now();
    const repairs = await repair(db, open, sweep);
    const seen = (repairs.sweep?.seen ?? 0) - (sweep?.seen ?? 0);
    rounds.push({ tookMs: performance.now() - begun, seen, repairs });
    sweep = calmSweep(repairs.sweep, open);
  }
  await db.destroy();
  return rounds;
}

/** The sweep as it stands a minute later in a lap that has found nothing. */
function calmSweep(sweep: Sweep | undefined, open: number): Sweep {
  const at = new Date(Date.now() - 60_000).toISOString();
  return { afterId: sweep?.afterId ?? 0, seen: sweep?.seen ?? 0, lost: 0, open, hurry: false, at };
}

async function readsOf(superuserUrl: string, open: number): Promise<RunStatement[]> {
  const watched = await watchPlans(superuserUrl);
  watched.takeStatements();
  await repair(watched.db, open, calmSweep(undefined, open));
  const statements = watched.takeStatements();
  await watched.close();
  return statements;
}

function mostRead({ name, rows }: TableSize, statements: readonly RunStatement[]) {
  const scans = statements.flatMap(({ scans }) => scans.filter(({ table }) => table === name));
  const most = Math.max(0, ...scans.map(({ rowsRead }) => rowsRead));
  return {
    most,
    percent: (most / rows) * 100,
    total: scans.reduce((sum, { rowsRead }) => sum + rowsRead, 0),
  };
}

function roundsTable(rounds: readonly MeasuredRound[]) {
  const steps = Object.keys(rounds[0]?.repairs.tookMs ?? {}) as (keyof Repairs['tookMs'])[];
  return {
    heading: 'Milliseconds of each step',
    head: ['round', 'in all', 'open bookings looked at', ...steps],
    rows: rounds.map(({ tookMs, seen, repairs }, at) => [
      at === 0 ? 'hurried' : String(at + 1),
      format0(tookMs),
      format0(seen),
      ...steps.map((step) => format0(repairs.tookMs[step])),
    ]),
  };
}

function readsTable(tables: readonly TableSize[], statements: readonly RunStatement[]) {
  return {
    heading: 'Rows read in one round',
    head: ['table', 'rows', 'most by one statement', '% of the table', 'in all'],
    rows: tables.map((table) => {
      const { most, percent, total } = mostRead(table, statements);
      return [table.name, format0(table.rows), format0(most), percent.toFixed(3), format0(total)];
    }),
  };
}
