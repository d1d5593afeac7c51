// Prints the closing line of a test run from vitest's JSON report: "N passed, N failed". A run without a single
// passed test, or with a file that could not even be loaded, is no success.
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { numPassedTests: passed, numPendingTests: skipped, numTodoTests: todo } = report;
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
);
for (const { name, message } of brokenFiles) console.log(`Not loaded: ${name}: ${message}`);

const failed = report.numFailedTests + brokenFiles.length;
const notRun = skipped + todo > 0 ? `, ${skipped + todo} skipped` : '';
console.log(`${passed} passed, ${failed} failed${notRun}`);
if (passed === 0 || failed > 0) process.exitCode = 1;
