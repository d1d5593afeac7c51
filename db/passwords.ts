import { hash, verify } from '@node-rs/argon2';
import { Problem } from '../domain/problems.ts';

/** OWASP's first choice (Password Storage Cheat Sheet): argon2id, 19 MiB, 2 passes, 1 lane. */
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const costPrefix = '$argon2id$v=19$m=19456,t=2,p=1$';

const atOnceMax = 2;
const waitingMax = 16;

/**
 * Hashes passwords, a few at a time: each takes a core for some 40 ms, and a flood of logins must not take the
 * thread pool from everything else. Beyond the queue it refuses with `overloaded`.
 */
export function createPasswords() {
  let running = 0;
  const waiting: (() => void)[] = [];
  let decoy: Promise<string> | undefined;

  async function takeTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= atOnceMax) {
      if (waiting.length >= waitingMax) {
        throw new Problem('overloaded', { headers: { 'Retry-After': '2' } });
      }
      // The turn is handed over, not given up: `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running++;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  }

  const hashPassword = (password: string) => takeTurn(() => hash(password.normalize('NFC'), cost));

  return {
    /** A PHC string: algorithm, cost, salt and hash. */
    hash: hashPassword,
    /**
     * Is it the password? Without a stored hash a decoy is checked, so that an unknown account takes as long as a
     * known one.
     */
    async verify(stored: string | undefined, password: string): Promise<boolean> {
      decoy ??= hash('no account has this password', cost);
      const against = stored ?? (await decoy);
      // A stored text that is no hash is a password that nobody has.
      const matches = await takeTurn(() => verify(against, password.normalize('NFC')).catch(() => false));
      return matches && stored !== undefined;
    },
    /** Was the hash made with another cost than today's? */
    isOutdated: (stored: string) => !stored.startsWith(costPrefix),
  };
}

export type Passwords = ReturnType<typeof createPasswords>;
