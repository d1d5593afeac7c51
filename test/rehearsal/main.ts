import { setTimeout as sleep } from 'node:timers/promises';
import { SetupProblem } from '../../dev/setup-problem.ts';
import { type Answer, createBrowser } from '../chaos/browser.ts';
import { decideProcessing } from '../chaos/cards.ts';
import { gatherEvidence, watchDeliveries } from '../chaos/evidence.ts';
import { awaitQuiet } from '../chaos/quiet.ts';
import { createScenario, type Scenario } from '../chaos/scenario.ts';
import { createVisits } from '../chaos/visits.ts';
import { createClient } from './client.ts';
import { readOptions, type RehearsalOptions, usage } from './options.ts';
import { takeTemporalAway } from './outage.ts';
import { restartApisInTurn, stage, type Stage, strikeEach } from './restarts.ts';
import { type Stack, startStack } from './stack.ts';
import { findTools } from './tools.ts';
import { judge, printFindings } from './verdict.ts';

/** The service is under load for this long before anything happens to it, and between the stages. */
const calmMs = 20_000;
const sleeplessMs = 20;

const say = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);

/**
 * `npm run rehearsal`: production on this machine, under load, while each part is restarted, killed, and Temporal is away
 * for minutes. Exits with 1 when a promise is broken, with 2 when it could not be made.
 */
async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  if (!options) return;
  say(`seed ${options.seed}`);
  const tools = await findTools(say);
  const stack = await startStack({ holdMs: options.holdMs, tools, log: say, keep: options.keep });
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupted = true;
      void stack.stop().finally(() => process.exit(130));
    });
  }
  try {
    process.exitCode = (await rehearse(stack, options)) ? 0 : 1;
  } finally {
    if (options.keep) say(`logs: ${stack.dir}/logs`);
    if (!interrupted) await stack.stop();
  }
}

/** The whole run. @returns whether every promise was kept */
async function rehearse(stack: Stack, options: RehearsalOptions): Promise<boolean> {
  const scenario = await createScenario(stack);
  const client = createClient(stack.ca);
  const browser = createBrowser([stack.url], client.send);
  const deliveries = watchDeliveries(stack.stripe);
  const load = startLoad(stack, scenario, browser, options);
  const stages: Stage[] = [];
  await sleep(calmMs);
  const rollingRestarts = await restartApisInTurn(stack, say);
  stages.push(...rollingRestarts, ...(await strikeEach(stack, 'SIGTERM', say)));
  stages.push(...(await strikeEach(stack, 'SIGKILL', say)));
  await sleep(calmMs);
  const outage = await takeAway(stack, scenario, options, stages);
  await sleep(calmMs);
  const visits = await load.finish();
  await decideProcessing(stack);
  const recoveredAt = Date.now();
  say('the load has ended; waiting until all work is done');
  const answers = [...browser.answers, ...outage.answers];
  const acceptedEvents = await deliveries.finish();
  const { evidence, violations, tookMs } = await awaitQuiet(
    () => gatherEvidence(stack, { answers, acceptedEvents, recoveredAt }),
    say,
  );
  client.close();
  const findings = judge({
    ...{ answers, rollingRestarts, violations, readinessInOutage: outage.readiness },
    cancellationsBackMs: outage.cancellationsBackMs,
  });
  const { bookings, intents, refunds } = evidence;
  console.log(
    [
      '',
      `restarts and kills         ${stages.length}, and ${options.outageMs / 1_000} s without Temporal`,
      `visits                     ${visits}`,
      `bookings                   ${bookings.length}: ${tally(bookings.map(({ status }) => status))}`,
      `PaymentIntents             ${intents.length}: ${tally(intents.map(({ status }) => status))}`,
      `refunds                    ${refunds.length}`,
      `answers                    ${answers.length}: ${tally(answers.map(nameOf))}`,
      `cancellations worked again ${outage.cancellationsBackMs.map((ms) => `${(ms / 1_000).toFixed(1)} s`).join(', ')} after Temporal's return`,
      `all work done              ${(tookMs / 1_000).toFixed(0)} s after the load`,
      '',
      printFindings(findings),
    ].join('\n'),
  );
  return findings.every(({ faults }) => faults.length === 0);
}

async function takeAway(
  stack: Stack,
  scenario: Scenario,
  { seed, outageMs }: RehearsalOptions,
  stages: Stage[],
): Promise<Awaited<ReturnType<typeof takeTemporalAway>>> {
  say(`Temporal goes away for ${outageMs / 1_000} s`);
  let outage: Awaited<ReturnType<typeof takeTemporalAway>> | undefined;
  const passed = await stage('Temporal was away and is back', say, async () => {
    outage = await takeTemporalAway({ stack, scenario, seed, outageMs });
  });
  stages.push(passed);
  if (!outage) throw new Error('the outage left no result');
  return outage;
}

/** Begins visits at a constant rate, whatever becomes of them, until it is told to end. */
function startLoad(
  stack: Stack,
  scenario: Scenario,
  browser: ReturnType<typeof createBrowser>,
  { seed, holdMs, rate }: RehearsalOptions,
) {
  const visits = createVisits({ stack, scenario, browser, seed, holdMs });
  const begun = Date.now();
  let going = true;
  const began = (async () => {
    for (; going; await sleep(sleeplessMs)) {
      // A late timer is made up for: the rate stays.
      while (visits.count() < ((Date.now() - begun) / 1_000) * rate) visits.begin();
    }
  })();
  return {
    async finish(): Promise<number> {
      going = false;
      await began;
      await visits.finish();
      return visits.count();
    },
  };
}

const nameOf = ({ call, status, code }: Answer) => `${call} ${status || 'none'} ${code}`.trim();

function tally(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${count} ${name}`).join(', ');
}

/** The options; or undefined, when how to call it has been said instead. */
function optionsOf(args: string[]): RehearsalOptions | undefined {
  try {
    if (!args.includes('--help')) return readOptions(args);
    console.log(usage);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exitCode = 2;
  }
  return undefined;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof SetupProblem ? error.message : error);
  process.exitCode = 2;
}
process.exit();
