import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBrowser } from './browser.ts';
import { decideProcessing } from './cards.ts';
import { gatherEvidence, watchDeliveries } from './evidence.ts';
import { createFaults, type Faults } from './faults.ts';
import { openHouse, type House } from './house.ts';
import { type ChaosOptions, readOptions, usage } from './options.ts';
import { createOutages, tooSlow } from './outages.ts';
import { runPhotoFinish } from './photo-finish.ts';
import { awaitQuiet } from './quiet.ts';
import { reportRun } from './report.ts';
import { buildTown } from './town.ts';
import { createVisits } from './visits.ts';

/** A freeze or a broken link lasts at most so long; in a short run less, so that there is a life between them. */
const lastsMsMax = 20_000;

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
  const house = await openHouse({ holdMs: options.holdMs, log: say, keep: options.keep });
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      void house.close().finally(() => process.exit(130));
    });
  }
  let failed = true;
  try {
    failed = await run(house, options, command, say);
  } finally {
    if (options.keep) say(`logs: ${house.dir}/logs`);
    if (!interrupted) await house.close();
  }
  process.exit(failed ? 1 : 0);
}

async function run(
  house: House,
  options: ChaosOptions,
  command: string,
  say: (line: string) => void,
): Promise<boolean> {
  const { seed, holdMs, photoFinish } = options;
  const town = await buildTown(house);
  const browser = createBrowser(house.apiUrls);
  const deliveries = watchDeliveries(house.stripe);
  const outages = options.outageMs > 0 ? createOutages(house, options.outageMs) : undefined;
  const faults: Faults =
    outages ??
    createFaults(house, {
      kinds: photoFinish > 0 ? [] : options.faults,
      seed,
      holdMs,
      lastsMsMax: Math.min(lastsMsMax, options.seconds * 250),
    });
  const begun = Date.now();
  let visits = 0;
  faults.start();
  if (photoFinish > 0) {
    say(await runPhotoFinish({ house, town, browser, seed, trials: photoFinish }));
    visits = photoFinish;
  } else {
    const seconds = outages ? outages.totalMs / 1_000 : options.seconds;
    visits = await runVisits(house, { ...options, seconds }, { town, browser }, say);
  }
  await faults.stop();
  await decideProcessing(house);
  const recoveredAt = Date.now();
  say('faults have stopped');
  const acceptedEvents = await deliveries.finish();
  const { evidence, violations, tookMs } = await awaitQuiet(
    () => gatherEvidence(house, { answers: browser.answers, acceptedEvents, recoveredAt }),
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
    restarts: house.ends.filter((line) => line.includes(' ended ')).length,
  };
  if (options.keep) writeFileSync(join(house.dir, 'logs', 'faults.log'), faults.diary.join('\n'));
  say(reportRun(facts, evidence, violations));
  return violations.length > 0;
}

/** Begins visits at a constant rate, whatever becomes of them, until the time is over and there are enough bookings. */
async function runVisits(
  house: House,
  { seed, holdMs, seconds, rate, bookings }: ChaosOptions,
  {
    town,
    browser,
  }: { town: Awaited<ReturnType<typeof buildTown>>; browser: ReturnType<typeof createBrowser> },
  say: (line: string) => void,
): Promise<number> {
  const visits = createVisits({ house, town, browser, seed, holdMs });
  const begun = Date.now();
  const made = () => browser.answers.filter(({ call, status }) => call === 'book' && status === 201).length;
  let toldAt = begun;
  for (;;) {
    const passedMs = Date.now() - begun;
    if (passedMs >= seconds * 1_000 && (bookings === 0 || made() >= bookings)) break;
    // A late timer is made up for: the rate stays.
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

/** The options; or undefined, when how to call it has been said instead. */
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
