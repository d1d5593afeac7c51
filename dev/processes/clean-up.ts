// Run by the watchdog of processes.ts when its owner died without stopping its processes (SIGKILL, a crash):
// node --import tsx dev/processes/clean-up.ts RECORD [DIRECTORY_TO_REMOVE]
import { rmSync } from 'node:fs';
import { endLeftovers } from './record.ts';

const [recordFile, removeDir] = process.argv.slice(2);
if (recordFile) await endLeftovers(recordFile);
if (removeDir) rmSync(removeDir, { recursive: true, force: true });
