// `npm start` runs this through start.mjs: it brings up the whole system and keeps it running until Ctrl-C.
import { join } from 'node:path';
import { lockDataDir } from './lock.ts';
import { endAllLeftovers } from './processes/record.ts';
import { startServices } from './services.ts';
import { claimPorts, readStartSettings } from './settings.ts';
import { SetupProblem } from './setup-problem.ts';
import { createStack, type Stack } from './stack.ts';
import { describeSystem } from './summary.ts';
import { answerToArguments } from '../program-arguments.ts';

/** One Ctrl-C arrives twice, from the terminal and from start.mjs; a person takes longer for a second one. */
const secondSignalAfterMs = 500;
/** As a shell reports a program that a signal ended (SIGINT is 2). */
const forcedExitCode = 130;

const log = (line: string) => console.log(line);

const help = `
npm start

Runs the whole system until Ctrl-C: Postgres, Temporal and a Stripe emulator
unless settings point elsewhere, the schema and demo data, API and worker. It
takes no arguments, but the settings of .env.example (environment or .env).
`;

async function main(): Promise<void> {
  const answer = answerToArguments(help, process.argv.slice(2));
  if (answer) {
    (answer.exitCode === 0 ? console.log : console.error)(answer.text);
    process.exit(answer.exitCode);
  }
  const settings = readStartSettings();
  const { dataDir } = settings;
  const unlock = lockDataDir(dataDir);
  process.once('exit', unlock);
  const leftovers = await endAllLeftovers(join(dataDir, 'run'));
  if (leftovers.length > 0) log(`Stopped what an earlier run had left: ${leftovers.join(', ')}.`);

  const stack = createStack({ dataDir, log, restart: true });
  const stop = stopOnSignals(stack);
  try {
    const ports = await claimPorts(settings);
    const system = await startServices({ settings, ports, stack });
    log(await describeSystem(system, settings));
  } catch (error) {
    if (stop.begun()) return; // It failed because we stop.
    report(error);
    await stack.stop();
    process.exit(1);
  }
}

/** The first signal, or the end of start.mjs, stops everything in order; a second signal does not wait. */
function stopOnSignals({ stop: stopStack, processes, dataDir }: Stack) {
  let sinceMs: number | undefined;
  const stop = async () => {
    if (sinceMs === undefined) {
      sinceMs = Date.now();
      log('\nStopping (Ctrl-C again: at once) …');
      await stopStack((name) => log(`  ${name}`));
      log(`Everything is stopped. The data is in ${dataDir}`);
      process.exit(0);
    }
    if (Date.now() - sinceMs < secondSignalAfterMs) return;
    log('Stopped by force. The data is safe.');
    processes.killAll();
    process.exit(forcedExitCode);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());
  process.once('disconnect', () => void stop());
  // A terminal that was closed must not end us before the others.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return { begun: () => sinceMs !== undefined };
}

function report(error: unknown): void {
  console.error(error instanceof SetupProblem ? `\n${error.message}` : error);
}

main().catch((error: unknown) => {
  report(error);
  process.exit(1);
});
