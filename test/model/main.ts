import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';

/** `npm run model -- [--sequences N] [--seed N]`: plays the model of the money for longer than the suite does. */
const { values } = parseArgs({
  options: { sequences: { type: 'string', default: '10000' }, seed: { type: 'string' } },
});
const tests = ['vitest', 'run', '--project', 'integration', 'test/integration/model-money.test.ts'];
const played = spawn('npx', tests, {
  stdio: 'inherit',
  env: {
    ...process.env,
    MODEL_SEQUENCES: values.sequences,
    ...(values.seed !== undefined && { MODEL_SEED: values.seed }),
  },
});
played.on('exit', (code) => {
  process.exitCode = code ?? 1;
});
