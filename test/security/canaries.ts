import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import type { Config } from '../../config.ts';

/** Secrets that appear nowhere else, so that one hit anywhere is a leak. */
export function createCanaries() {
  const all: [place: string, secret: string][] = [];
  return {
    /** A new secret for this place. */
    in(place: string): string {
      const secret = `canary${randomBytes(16).toString('hex')}`;
      all.push([place, secret]);
      return secret;
    },
    /** A secret that the service itself has made. */
    known(place: string, secret: string): string {
      if (secret.length < 8) throw new Error(`no secret in ${place}`);
      all.push([place, secret]);
      return secret;
    },
    count: () => all.length,
    /** The places of the secrets that this text contains, plain or in one of the usual encodings. */
    seenIn(text: string): string[] {
      return all
        .filter(([, secret]) => spellings(secret).some((spelling) => text.includes(spelling)))
        .map(([place]) => place);
    },
  };
}

function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  // The last characters of base64 depend on what follows.
  const base64 = bytes.toString('base64').slice(0, -4);
  return [secret, encodeURIComponent(secret), bytes.toString('hex'), base64];
}

/** Everything that Temporal keeps of the workflows of this task queue, payloads decoded, as one text. */
export async function readHistories({ temporal }: Config): Promise<{ workflows: number; text: string }> {
  const connection = await Connection.connect({ address: temporal.address });
  try {
    const { workflow } = new Client({ connection, namespace: temporal.namespace });
    const texts: string[] = [];
    let workflows = 0;
    for await (const found of workflow.list({ query: `TaskQueue = "${temporal.taskQueue}"` })) {
      workflows++;
      const handle = workflow.getHandle(found.workflowId, found.runId);
      texts.push(...textsIn(found.raw), ...textsIn(await handle.fetchHistory()));
    }
    return { workflows, text: texts.join('\n') };
  } finally {
    await connection.close();
  }
}

function* textsIn(value: unknown): Generator<string> {
  if (value instanceof Uint8Array) yield Buffer.from(value).toString('utf8');
  else if (typeof value === 'string') yield value;
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      yield key;
      yield* textsIn(inner);
    }
  }
}
