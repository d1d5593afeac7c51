import { LRUCache } from 'lru-cache';
import type { Db } from '../../db/knex.ts';
import { findOpenSession, type OpenSession } from '../../db/sessions.ts';
import { sessionAnswerMs } from '../../domain/limits.ts';

/** Whom an access token names. */
export interface TokenSubject {
  userId: number;
  sessionId: string;
}

/** A session in memory takes some 300 bytes. */
const rememberedMax = 10_000;

/**
 * Says whether the session of an access token is open and its account active. A write asks the database each time; a
 * guest's read goes by an answer that is at most 5 s old. What staff may see is asked each time as well.
 */
export function createSessionChecks(db: Db) {
  // Ages are measured by the monotonic clock, which is read each time: by default the cache remembers the time too.
  const remembered = new LRUCache<string, OpenSession>({
    max: rememberedMax,
    ttl: sessionAnswerMs,
    ttlResolution: 0,
    perf: { now: () => performance.now() },
  });

  async function ask(subject: TokenSubject): Promise<OpenSession | undefined> {
    // An answer is as old as its question.
    const start = performance.now();
    const session = await findOpenSession(db, subject);
    if (session && !session.isStaff) remembered.set(subject.sessionId, session, { start });
    else remembered.delete(subject.sessionId);
    return session;
  }

  return {
    /** The open session as the database knows it now; undefined when it has ended. For writes and for staff. */
    now: ask,
    /** The open session as it was at most 5 s ago. For a guest's reads. */
    async lately(subject: TokenSubject): Promise<OpenSession | undefined> {
      const known = remembered.get(subject.sessionId);
      return known?.userId === subject.userId ? known : ask(subject);
    },
    /** A session has ended here, and is not taken for open any more. */
    forget: (sessionId: string): void => void remembered.delete(sessionId),
  };
}

export type SessionChecks = ReturnType<typeof createSessionChecks>;
