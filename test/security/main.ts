import { startVitest } from 'vitest/node';

/**
 * `npm run security`: the security tests in full. `npm test` runs the same tests in a bounded form; here they run in
 * full (test/security/run.ts), one file after the other, and print their measurements.
 */
const files = [
  'route-matrix',
  'canary',
  'garbage',
  'floods',
  'process-life',
  'supply-chain',
  'schemathesis',
  'http-edge',
  'hostile-values',
  'accounts',
  'passwords',
  'sessions',
  'settings',
  'panel-access',
  // Not about attackers, but about promises whose time can only be measured where nothing else runs (`timely`).
  'booking-life',
  'cleanup',
  'outage-postgres',
  'outage-temporal',
  'panel-lists',
  'settle-hold',
  'slot-races',
  'slow-connection',
  'stripe-faults',
  'webhook',
];
const chosen = process.argv.slice(2);
if (chosen.includes('--help')) {
  console.log(
    `npm run security -- [NAME …]\n\nRuns the security tests in full, or those named: ${files.join(', ')}.`,
  );
  process.exit(0);
}
const unknown = chosen.filter((name) => !files.includes(name));
if (unknown.length > 0) {
  console.error(`There is no security test "${unknown.join(', ')}". There are: ${files.join(', ')}.`);
  process.exit(2);
}

const wanted = (chosen.length > 0 ? chosen : files).map((name) => `test/integration/${name}.test.ts`);
const vitest = await startVitest('test', wanted, {
  watch: false,
  project: ['integration'],
  fileParallelism: false,
  reporters: ['dot'],
  provide: { securityRun: 'full' },
});

const idPattern = /\b(?:AU|AZ|HT|OP|PG|TM)-\d{2}\b/g;
const rows: { ids: string; what: string; result: string; figure: string }[] = [];
for (const module of vitest.state.getTestModules()) {
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    const ids = test.name.match(idPattern) ?? [];
    if (ids.length === 0 && state !== 'failed') continue;
    const what = test.name.replace(idPattern, '').trim();
    rows.push({ ids: ids.join(' '), what, result: state, figure: test.meta().figure ?? '' });
  }
}

rows.sort((a, b) => (a.ids < b.ids ? -1 : 1));
const idWidth = Math.max(...rows.map(({ ids }) => ids.length), 0);
console.log();
for (const { ids, what, result, figure } of rows) {
  console.log(`${result.padEnd(7)} ${ids.padEnd(idWidth)}  ${what.slice(0, 90)}${figure && `  → ${figure}`}`);
}
const count = (wanted: string) => rows.filter(({ result }) => result === wanted).length;
const [passed, skipped] = [count('passed'), count('skipped')];
const failed = rows.length - passed - skipped;
console.log(
  `\n${rows.length} checks: ${passed} passed, ${failed} failed, ${skipped} could not be made here.`,
);
await vitest.close();
if (rows.length === 0 || failed > 0) process.exitCode = 1;
