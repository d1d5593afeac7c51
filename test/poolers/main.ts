import { spawn } from 'node:child_process';
import { runCommand } from '../../commands/command.ts';
import { projectDir } from '../../dev/project-dir.ts';

const help = `
npm run poolers -- [TEST …]

Runs the integration tests, all or those named (test/integration/NAME.test.ts),
with every connection of the service going through a PgBouncer as it comes: once
with pool_mode=session, once with pool_mode=transaction. Then measures bookings
through it beside bookings without it.
`;

const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'integration'];

/** Runs one part, its output ours. @returns whether it succeeded */
function run(args: string[], env: NodeJS.ProcessEnv = {}): Promise<boolean> {
  const child = spawn(process.execPath, args, {
    cwd: projectDir,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve) => child.once('close', (code) => resolve(code === 0)));
}

await runCommand({
  help,
  options: {},
  takesNames: true,
  async run(_, names) {
    const files = names.map((name) => `test/integration/${name}.test.ts`);
    const failed: string[] = [];
    for (const mode of ['session', 'transaction']) {
      console.log(`\nThe integration tests through pool_mode=${mode}:`);
      if (!(await run([...vitest, ...files], { TEST_POOLER: mode }))) failed.push(`tests through ${mode}`);
    }
    console.log('\nBookings through PgBouncer, and without it:');
    if (!(await run(['--import', 'tsx', 'bench/main.ts', 'poolers']))) failed.push('the ratio of bookings');
    if (failed.length > 0) throw new Error(`Failed: ${failed.join(', ')}.`);
  },
});
