import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { projectDir } from '../dev/project-dir.ts';
import type { Bench, Figure } from './figure.ts';
import { figures } from './figures/index.ts';
import { startGenerator } from './generator.ts';
import { startEnvironment } from './environment.ts';
import { holds, loadNow, type Measured, writeReport } from './report.ts';
import { type Service, type ServiceOptions, startService } from './service.ts';
import { type Sizes, sizesOf } from './sizes.ts';

const usage = `npm run bench -- [figure …] [--short | --full] [--out DIR]

Figures: ${figures.map(({ name }) => name).join(', ')}. Without names: all but those that take long (soak).
--short   tiny numbers: does everything still work? No threshold on time, nothing written unless --out is given.
--full    more rounds, and the soak.
--out     where the report goes (bench/results).`;

interface Args {
  mode: keyof typeof sizesOf;
  chosen: Figure[];
  outDir: string | undefined;
}

/** @throws Error in one line for a figure or an option that does not exist */
function readArgs(args: string[]): Args {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      short: { type: 'boolean' },
      full: { type: 'boolean' },
      out: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const unknown = positionals.find((name) => !figures.some((figure) => figure.name === name));
  if (unknown) throw new Error(`There is no figure "${unknown}".\n\n${usage}`);
  const mode = values.short ? 'short' : values.full ? 'full' : 'usual';
  const wanted = (figure: Figure) =>
    positionals.length > 0 ? positionals.includes(figure.name) : mode !== 'usual' || !figure.fullOnly;
  const outDir = values.out ?? (mode === 'short' ? undefined : join(projectDir, 'bench/results'));
  return { mode, chosen: figures.filter(wanted), outDir };
}

const log = (line: string) => console.log(line);

async function main(): Promise<void> {
  const { mode, chosen, outDir } = readArgs(process.argv.slice(2));
  const sizes: Sizes = sizesOf[mode];
  const loadBefore = loadNow();
  const undo: (() => Promise<void> | void)[] = [];
  let stopping: Promise<void> | undefined;
  const stopAll = () =>
    (stopping ??= (async () => {
      for (const stop of undo.reverse()) {
        try {
          await stop();
        } catch (error) {
          // The others must still be stopped.
          console.error(error);
        }
      }
    })());
  const abort = (why: string, code: number) => {
    clearTimeout(limit);
    console.error(`\n${why}; stopping everything …`);
    void stopAll().finally(() => process.exit(code));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // A second signal does not wait: the watchdog of dev/processes.ts stops what is left.
    process.on(signal, () => (stopping ? process.exit(130) : abort('Interrupted', 130)));
  }
  const limit = setTimeout(
    () => abort(`Not done within ${sizes.limitMs / 60_000} minutes`, 1),
    sizes.limitMs,
  );

  try {
    const environment = await startEnvironment(log);
    undo.push(environment.stop);
    const [load, side] = [await startGenerator(), await startGenerator()];
    undo.push(load.stop, side.stop);
    const measured: Measured[] = [];
    for (const figure of chosen) {
      if (stopping) return;
      const { service, stop } = createServices(environment, mode === 'short');
      undo.push(stop);
      measured.push(await measure(figure, { environment, sizes, load, side, service, log }));
      if (mode !== 'short') await stop();
    }
    conclude(measured, outDir, { mode, postgres: environment.postgresName, loadBefore });
  } catch (error) {
    if (!stopping) {
      console.error(error);
      process.exitCode = 1;
    }
  } finally {
    clearTimeout(limit);
    await stopAll();
  }
}

const kept = new Map<string, Promise<Service>>();

/**
 * Services for one figure: a fresh one each time, one at a time; or, with `--short`, one of each kind for all figures.
 */
function createServices(environment: Bench['environment'], share: boolean) {
  let current: Service | undefined;
  const stop = async () => {
    const stopped = current;
    current = undefined;
    await stopped?.stop();
  };
  async function fresh(options: ServiceOptions): Promise<Service> {
    await stop();
    current = await startService(environment, options);
    return current;
  }
  function shared(options: ServiceOptions): Promise<Service> {
    const key = JSON.stringify(options);
    const service = kept.get(key) ?? startService(environment, options);
    kept.set(key, service);
    return service;
  }
  return {
    service: share ? shared : fresh,
    stop: share
      ? async () => {
          for (const [key, service] of kept) {
            kept.delete(key);
            await service.then(
              (started) => started.stop(),
              () => {}, // It never ran; its figure has reported that.
            );
          }
        }
      : stop,
  };
}

async function measure(figure: Figure, bench: Bench): Promise<Measured> {
  const { name, title } = figure;
  const begun = performance.now();
  log(`${title} (${name}) …`);
  try {
    const finding = await figure.measure(bench);
    return { name, title, finding, tookMs: performance.now() - begun };
  } catch (error) {
    console.error(`${name} failed:`, error);
    return { name, title, error: String(error), tookMs: performance.now() - begun };
  }
}

/** Prints and writes the findings. A failed figure fails the run; a missed threshold does not. */
function conclude(
  measured: readonly Measured[],
  outDir: string | undefined,
  conditions: Parameters<typeof writeReport>[2],
): void {
  for (const { name, tookMs, finding } of measured) {
    log(`${name}: ${finding ? 'measured' : 'FAILED'} in ${(tookMs / 1000).toFixed(1)} s`);
    for (const threshold of finding?.thresholds ?? [])
      log(`  ${holds(threshold) ? 'holds' : 'MISSED'}: ${threshold.what}: ${threshold.value.toFixed(2)}`);
  }
  if (outDir) log(`Report: ${relative(process.cwd(), writeReport(outDir, measured, conditions))}`);
  if (measured.some(({ error }) => error !== undefined)) process.exitCode = 1;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
