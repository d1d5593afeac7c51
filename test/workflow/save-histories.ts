import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findTemporalTestServer } from '../../dev/temporal-test-server.ts';
import { fileNameOf, historiesDir, printHistory } from './histories.ts';
import { scenarios } from './scenarios.ts';
import { startHarness } from './harness.ts';

/**
 * `npm run histories [-- WORDS]`: plays every scenario (or those whose name contains WORDS) and saves their histories.
 * The files show what the histories of open workflows look like. Nothing is released before 1.0.0, so until then a
 * changed workflow gets new files; afterwards only a new scenario does, and a change that does not replay the old files
 * needs `patched`.
 */
async function main(words: string): Promise<void> {
  const harness = await startHarness({ testServerPath: await findTemporalTestServer(console.log) });
  const dir = fileURLToPath(historiesDir);
  mkdirSync(dir, { recursive: true });
  try {
    for (const [name, play] of Object.entries(scenarios).filter(([key]) => key.includes(words))) {
      const handle = await play(harness);
      const history = await handle.fetchHistory();
      writeFileSync(new URL(fileNameOf(name), historiesDir), printHistory(handle.workflowId, history));
      console.log(`${name}: ${history.events?.length} events`);
    }
    const wanted = Object.keys(scenarios).map(fileNameOf);
    for (const file of readdirSync(dir)) if (!wanted.includes(file)) rmSync(new URL(file, historiesDir));
  } finally {
    await harness.close();
  }
}

const words = process.argv.slice(2);
if (words.some((word) => word.startsWith('-'))) {
  console.log(
    'npm run histories [-- WORDS]\n\nSaves the histories of every scenario, or of those whose name contains WORDS.',
  );
  process.exit(words.includes('--help') ? 0 : 2);
}
await main(words.join(' '));
