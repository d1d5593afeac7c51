// `npm run compose:check`: do the compose files say to Compose what they should? By Compose's own code.
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { composeLoader, findGoTool } from './go-tool.ts';
import { projectDir } from './project-dir.ts';
import { findOnPath, runTool } from './run-tool.ts';
import { SetupProblem } from './setup-problem.ts';

const base = 'docker-compose.yml';
const emulator = 'docker-compose.emulator.yml';
const log = (line: string) => console.log(line);

interface Way {
  name: string;
  files: string[];
  env: Record<string, string>;
}

/** A program that reads compose files and fails when Compose would refuse them. */
interface Checker {
  name: string;
  command: string;
  argsFor: (files: readonly string[]) => string[];
}

/** Both ways in which the files are meant to be used, with the settings of .env.example. */
function listWays(): Way[] {
  const { COMPOSE_FILE: _, ...env } = parseEnv(readFileSync(`${projectDir}/.env.example`, 'utf8'));
  return [
    {
      name: 'trying out (.env.example as it stands)',
      files: [base, emulator],
      env: { ...env } as Way['env'],
    },
    { name: 'production', files: [base], env: { ...env } as Way['env'] },
  ];
}

/** `docker compose` from version 2 on where it is installed, otherwise its loader, built from Go's modules. */
async function findChecker(): Promise<Checker> {
  const docker = findOnPath('docker');
  const version = docker && (await runTool(docker, ['compose', 'version', '--short'])).stdout.trim();
  if (docker && version && Number.parseInt(version.replace(/^v/, ''), 10) >= 2) {
    return {
      name: `docker compose ${version}`,
      command: docker,
      argsFor: (files) => ['compose', ...files.flatMap((file) => ['--file', file]), 'config', '--quiet'],
    };
  }
  log('There is no docker compose 2 here; Compose’s own loader reads the files instead.');
  return {
    name: `the loader of Compose (${composeLoader.package} ${composeLoader.version})`,
    command: await findGoTool(composeLoader, log),
    // The program in that package never fills in variables but with nothing; their values are checked by the tests.
    argsFor: (files) => ['-no-interpolation', ...files],
  };
}

async function main(): Promise<void> {
  const checker = await findChecker();
  const { PATH, HOME } = process.env;
  for (const { name, files, env } of listWays()) {
    const result = await runTool(checker.command, checker.argsFor(files), {
      cwd: projectDir,
      env: { PATH, HOME, ...env },
      timeoutMs: 60_000,
    });
    if (result.code === 0) log(`${name}: ${files.join(', ')} – good, says ${checker.name}`);
    else {
      console.error(`${name}: ${files.join(', ')} – refused by ${checker.name}:\n${result.stderr.trim()}`);
      process.exitCode = 1;
    }
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof SetupProblem ? `compose:check could not be made. ${error.message}` : error);
  process.exitCode = 1;
}
