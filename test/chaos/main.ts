import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBank } from './bank.ts';
import { createBrowser } from './browser.ts';
import { decideProcessing } from './cards.ts';
import { collectEvidence, watchDeliveries } from './evidence.ts';
import { createFaults, type Faults } from './faults.ts';
import { startChaosStack, type ChaosStack } from './chaos-stack.ts';
import { type ChaosOptions, readOptions, usage } from './options.ts';
import { createOutages, tooSlow } from './outages.ts';
import { runPhotoFinish } from './photo-finish.ts';
import { awaitQuiet } from './quiet.ts';
import { reportRun } from './report.ts';
import { createRoomEdits } from './room-edits.ts';
import { createScenario } from './scenario.ts';
import { showBookings } from './show.ts';
import { createVisits } from './visits.ts';

/**
 * Maximum duration of a freeze or a broken link; shorter in a short run, so that there is normal operation in between.
 */
const lastsMsMax = 20_000;
const nearShare = 0.1;
/** A clock is wrong for a minute at most. */
const clockMsMax = 60_000;

/**
 * `npm run chaos`: the real service under load while its parts are killed, frozen, cut off and lied to. Exits with 1
 * when an invariant is broken. The same seed makes the same choices, though never the same instants.
 */
async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const options = optionsOf(args);
  if (!options) return;
  const command = ['npm run chaos --', ...args].join(' ');
  const say = (line: string) => console.log(line);
  say(`seed ${options.seed}`);
  const withClocks = options.faults.includes('clock');
  const stack = await startChaosStack({ holdMs: options.holdMs, withClocks, log: say, keep: options.keep });
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      void close(stack).finally(() => process.exit(130));
    });
  }
  let failed = true;
  try {
    failed = await run(stack, options, command, say);
  } finally {
    if (options.keep) say(`logs: ${stack.dir}/logs`);
    if (!interrupted) await close(stack);
  }
  process.exit(failed ? 1 : 0);
}

/** The processes are restored first, so that what they still send arrives. */
async function close(stack: ChaosStack): Promise<void> {
  await stack.stop();
  await stack.close();
}

async function run(
  stack: ChaosStack,
  options: ChaosOptions,
  command: string,
  say: (line: string) => void,
): Promise<boolean> {
  const { seed, holdMs, photoFinish } = options;
  const scenario = await createScenario(stack);
  const browser = createBrowser(stack.apiUrls);
  const rooms = createRoomEdits(stack, { ids: scenario.roomIds, staffId: scenario.staffId });
  await rooms.noteFirstPrices();
  const deliveries = watchDeliveries(stack.stripe);
  const outages = options.outageMs > 0 ? createOutages(stack, options.outageMs) : undefined;
  const faults: Faults =
    outages ??
    createFaults(stack, {
      kinds: photoFinish > 0 ? [] : options.faults,
      seed,
      holdMs,
      lastsMsMax: Math.min(lastsMsMax, options.seconds * 250),
      clockMsMax: Math.min(clockMsMax, options.seconds * 250),
      bank: createBank(stack, scenario.staffToken),
      rooms,
    });
  const begun = Date.now();
  let visits = 0;
  faults.start();
  if (photoFinish > 0) {
    say(await runPhotoFinish({ stack, scenario, browser, seed, trials: photoFinish }));
    visits = photoFinish;
  } else {
    const seconds = outages ? outages.totalMs / 1_000 : options.seconds;
    visits = await runVisits(stack, { ...options, seconds }, { scenario, browser }, say);
  }
  await faults.stop();
  await decideProcessing(stack);
  const recoveredAt = Date.now();
  say('faults have stopped');
  const acceptedEvents = await deliveries.finish();
  const { evidence, violations, tookMs } = await awaitQuiet(
    () =>
      collectEvidence(
        {
          ...stack,
          show: (ids) => showBookings({ apiUrls: stack.apiUrls, token: scenario.staffToken() }, ids),
        },
        {
          ...{ answers: browser.answers, acceptedEvents, recoveredAt, prices: rooms.prices },
          ...{ stops: faults.stops, databaseClockMs: faults.databaseClockMs() },
        },
      ),
    say,
  );
  if (outages) violations.push(...tooSlow(browser.answers));
  const facts = {
    command,
    seed,
    seconds: Math.round((recoveredAt - begun) / 1_000),
    quietMs: tookMs,
    visits,
    faults: faults.counts,
    answersInTime: outages !== undefined,
    restarts: stack.ends.filter((line) => line.includes(' ended ')).length,
  };
  if (options.keep) writeFileSync(join(stack.dir, 'logs', 'faults.log'), faults.diary.join('\n'));
  say(reportRun(facts, evidence, violations));
  return violations.length > 0;
}

/**
 * Begins visits at a constant rate, regardless of their results, until the time is over and there are enough bookings.
 */
async function runVisits(
  stack: ChaosStack,
  { seed, holdMs, seconds, rate, bookings }: ChaosOptions,
  {
    scenario,
    browser,
  }: { scenario: Awaited<ReturnType<typeof createScenario>>; browser: ReturnType<typeof createBrowser> },
  say: (line: string) => void,
): Promise<number> {
  const visits = createVisits({ stack, scenario, browser, seed, holdMs, nearShare });
  const begun = Date.now();
  const made = () => browser.answers.filter(({ call, status }) => call === 'book' && status === 201).length;
  let toldAt = begun;
  for (;;) {
    const passedMs = Date.now() - begun;
    if (passedMs >= seconds * 1_000 && (bookings === 0 || made() >= bookings)) break;
    // A late timer is compensated: the rate stays constant.
    while (visits.count() < (passedMs / 1_000) * rate) visits.begin();
    if (Date.now() - toldAt > 30_000) {
      toldAt = Date.now();
      say(`${Math.round(passedMs / 1_000)} s: ${made()} bookings, ${visits.open()} visits under way`);
    }
    await sleep(20);
  }
  await visits.finish();
  return visits.count();
}

/** The options; undefined when the usage was printed instead. */
function optionsOf(args: string[]): ChaosOptions | undefined {
  try {
    if (!args.includes('--help')) return readOptions(args);
    console.log(usage);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exitCode = 1;
  }
  return undefined;
}

await main();
