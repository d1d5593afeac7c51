import { hash, verify } from '@node-rs/argon2';
import PQueue from 'p-queue';
import { Problem } from '../../domain/problems.ts';

/** OWASP's first choice (Password Storage Cheat Sheet): argon2id, 19 MiB, 2 passes, 1 lane. */
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const costPrefix = '$argon2id$v=19$m=19456,t=2,p=1$';

const atOnceMax = 2;
/** Per kind of caller: a queue that strangers have filled still takes those from known devices. */
const waitingMax = 16;

/** Whose password it is: a known device goes first. */
export type HashPriority = 'stranger' | 'knownDevice';
const priorities: Record<HashPriority, number> = { stranger: 0, knownDevice: 1 };

/**
 * Hashes passwords, a few at a time: each takes a core for some 40 ms, and a flood of logins must not take the
 * thread pool from everything else. Beyond the queue it refuses with `overloaded`.
 */
export function createPasswords() {
  const queue = new PQueue({ concurrency: atOnceMax });
  let decoy: Promise<string> | undefined;

  /** @throws Problem overloaded */
  async function takeTurn<T>(work: () => Promise<T>, from: HashPriority): Promise<T> {
    const priority = priorities[from];
    if (queue.sizeBy({ priority }) >= waitingMax) {
      throw new Problem('overloaded', { retryAfterSeconds: 2 });
    }
    return queue.add(work, { priority });
  }

  return {
    /** A PHC string: algorithm, cost, salt and hash. @throws Problem overloaded */
    hash: (password: string, from: HashPriority = 'stranger'): Promise<string> =>
      takeTurn(() => hash(password.normalize('NFC'), cost), from),
    /**
     * Is it the password? Without a stored hash a decoy is checked, so that an unknown account takes as long as a
     * known one.
     * @throws Problem overloaded
     */
    async verify(
      stored: string | undefined,
      password: string,
      from: HashPriority = 'stranger',
    ): Promise<boolean> {
      decoy ??= hash('no account has this password', cost);
      const against = stored ?? (await decoy);
      // A stored text that is no hash is a password that nobody has.
      const check = () => verify(against, password.normalize('NFC')).catch(() => false);
      const matches = await takeTurn(check, from);
      return matches && stored !== undefined;
    },
    /** Was the hash made with another cost than today's? */
    isOutdated: (stored: string) => !stored.startsWith(costPrefix),
  };
}

export type Passwords = ReturnType<typeof createPasswords>;
