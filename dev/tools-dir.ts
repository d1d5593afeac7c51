import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Where downloaded tools are kept, shared by every clone and by the tests. Root uses a folder that other users can
 * enter, since Postgres refuses to run as root.
 */
export function toolsDir(): string {
  const cacheDir =
    process.env.XDG_CACHE_HOME || (process.getuid?.() === 0 ? '/var/cache' : join(homedir(), '.cache'));
  return join(cacheDir, 'booking-service');
}

/**
 * Fills a directory once: `fill` works in a temporary one beside it, which is renamed when it is complete. If two
 * processes do so at the same time, one wins and both use the result.
 */
export async function putInPlace(targetDir: string, fill: (dir: string) => Promise<void>): Promise<void> {
  mkdirSync(dirname(targetDir), { recursive: true });
  const dir = mkdtempSync(`${targetDir}.`);
  chmodSync(dir, 0o755);
  const clear = () => rmSync(dir, { recursive: true, force: true });
  process.once('exit', clear); // An interrupted download leaves no files.
  try {
    await fill(dir);
    try {
      renameSync(dir, targetDir);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    }
  } finally {
    process.off('exit', clear);
    clear();
  }
}
