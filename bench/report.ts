import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectDir } from '../dev/project-dir.ts';
import { drawChart } from './chart.ts';
import { type Finding, type Threshold, ratio, type Table } from './figure.ts';

export interface Measured {
  name: string;
  title: string;
  tookMs: number;
  finding?: Finding;
  /** The reason why there is no finding. */
  error?: string;
}

export interface Conditions {
  mode: string;
  postgres: string;
  /** Load averages before the first figure: on a busy machine the figures measure other programs too. */
  loadBefore: number;
}

export const loadNow = () => loadavg()[0] ?? Number.NaN;

/** Writes `<date>-<commit>.md` and its charts to a directory. @returns the report's path */
export function writeReport(dir: string, measured: readonly Measured[], conditions: Conditions): string {
  const date = new Date().toISOString().slice(0, 10);
  const commit = commitNow();
  const name = `${date}-${commit}`;
  mkdirSync(dir, { recursive: true });
  const sections = measured.map((one) => {
    const charts = (one.finding?.charts ?? []).map((chart) => {
      const file = `${name}-${chart.name}.svg`;
      writeFileSync(join(dir, file), drawChart(chart));
      return `![${chart.title}](${file})`;
    });
    return describe(one, charts);
  });
  const thresholds = measured.flatMap(({ finding }) => finding?.thresholds ?? []);
  const text = [
    `# Measured on ${date}, commit ${commit}`,
    `${machine()}, ${conditions.postgres}, Node ${process.versions.node}, Temporal SDK ${versionOf('@temporalio/client')}, ` +
      `mode \`${conditions.mode}\`, load average before the run ${conditions.loadBefore.toFixed(2)}. ` +
      'Everything, the load generator included, shares these cores; only ratios within this run mean anything elsewhere. ' +
      'Method: [docs/performance.md](../../docs/performance.md).',
    ...(thresholds.length > 0 ? ['## What must hold', tableText(thresholdTable(thresholds))] : []),
    ...sections,
  ].join('\n\n');
  const path = join(dir, `${name}.md`);
  writeFileSync(path, `${text}\n`);
  return path;
}

function describe({ title, tookMs, finding, error }: Measured, charts: string[]): string {
  const head = `## ${title}`;
  if (!finding) return `${head}\n\nNot measured: ${error}`;
  const tables = finding.tables.map((table) => `**${table.heading}**\n\n${tableText(table)}`);
  return [head, ...tables, ...charts, `${finding.method} Took ${(tookMs / 1000).toFixed(0)} s.`].join('\n\n');
}

function thresholdTable(thresholds: readonly Threshold[]): Table {
  return {
    heading: '',
    head: ['what', 'measured', 'wanted', 'holds'],
    rows: thresholds.map((threshold) => {
      const wanted = threshold.atLeast !== undefined ? `≥ ${threshold.atLeast}` : `≤ ${threshold.atMost}`;
      return [threshold.what, ratio(threshold.value), wanted, holds(threshold) ? 'yes' : '**no**'];
    }),
  };
}

export function holds({ value, atLeast = -Infinity, atMost = Infinity }: Threshold): boolean {
  return value >= atLeast && value <= atMost;
}

function tableText({ head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Cores, their kind and memory: no names, no paths. */
function machine(): string {
  const cores = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cores.length} cores (${cores[0]?.model.trim() || 'unknown'}), ${gib} GiB`;
}

function commitNow(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, {
        cwd: projectDir,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? '-changed' : '');
  } catch {
    return 'unknown';
  }
}

function versionOf(name: string): string {
  const file = join(projectDir, 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
