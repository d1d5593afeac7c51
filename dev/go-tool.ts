import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath, isExecutable, lastLine, runTool, withProgress } from './run-tool.ts';
import { SetupProblem } from './setup-problem.ts';
import { putInPlace, toolsDir } from './tools-dir.ts';

/** A program that is built from a Go module, whose checksum Go's own database vouches for. */
export interface GoTool {
  /** The name that it is kept under. */
  binary: string;
  /** The path of its main package, whose last part Go names the program after. */
  package: string;
  version: string;
  /** How long a build may take on a slow machine that has none of its modules. */
  buildMinutes: number;
}

type Log = (line: string) => void;

/** The loader of Compose itself: reads and checks compose files as `docker compose config` does, without Docker. */
export const composeLoader: GoTool = {
  binary: 'compose-loader',
  package: 'github.com/compose-spec/compose-go/v2/cmd',
  // That of Compose 2.40.3.
  version: '2.9.1',
  buildMinutes: 5,
};

/** As in the Dockerfile; test/unit/rehearsal.test.ts compares them. */
const temporalVersion = '1.32.1';

export const temporalServer: GoTool = {
  binary: 'temporal-server',
  package: 'go.temporal.io/server/cmd/server',
  version: temporalVersion,
  buildMinutes: 45,
};

/** Makes Temporal's schema in Postgres. */
export const temporalSqlTool: GoTool = {
  binary: 'temporal-sql-tool',
  package: 'go.temporal.io/server/cmd/tools/sql',
  version: temporalVersion,
  buildMinutes: 45,
};

const keptDir = ({ binary, version }: GoTool) => join(toolsDir(), `${binary}-${version}`);

/** Is it there already, so that finding it takes no time? */
export const isBuilt = (tool: GoTool) => isExecutable(join(keptDir(tool), tool.binary));

/**
 * Returns the path of a tool: built before, or built now and kept with the other tools (tools-dir.ts).
 *
 * @throws SetupProblem in one line when there is no Go, or it cannot build it
 */
export async function findGoTool(tool: GoTool, log: Log): Promise<string> {
  const path = join(keptDir(tool), tool.binary);
  if (isBuilt(tool)) return path;
  const go = findOnPath('go');
  if (!go) throw unavailable(tool, 'there is no Go here to build it with (https://go.dev/dl/)');
  log(`${tool.binary}: building ${tool.package} ${tool.version} (once, with ${await goVersion(go)}) …`);
  const startedMs = Date.now();
  const built = putInPlace(keptDir(tool), (dir) => build(go, tool, dir));
  await withProgress(`${tool.binary}: still building`, log, built, 30_000);
  log(`${tool.binary}: built in ${Math.round((Date.now() - startedMs) / 1000)} s, kept in ${keptDir(tool)}`);
  return path;
}

async function build(go: string, tool: GoTool, dir: string): Promise<void> {
  const install = await runTool(go, ['install', `${tool.package}@v${tool.version}`], {
    timeoutMs: tool.buildMinutes * 60_000,
    env: { ...process.env, GOBIN: dir },
  });
  if (install.code !== 0) throw unavailable(tool, `go says: ${lastLine(install.stderr) || 'nothing'}`);
  renameSync(join(dir, tool.package.split('/').at(-1) ?? ''), join(dir, tool.binary));
}

async function goVersion(go: string): Promise<string> {
  const { stdout } = await runTool(go, ['env', 'GOVERSION']);
  return stdout.trim() || 'Go';
}

function unavailable(tool: GoTool, why: string): SetupProblem {
  return new SetupProblem(`No ${tool.binary} ${tool.version} here, and it could not be built: ${why}.`);
}
