import { createHash } from 'node:crypto';
import https from 'node:https';
import type { Send } from '../chaos/browser.ts';

/**
 * Sends requests over HTTPS as many people do: each guest from an address of its own (of 127.0.0.0/8, which is this
 * machine), so that no limit on one address takes all of them for one.
 *
 * @param ca the certificate that is trusted, PEM
 */
export function createClient(ca: string) {
  const agents = new Map<string, https.Agent>();

  function agentFor(guest: string): https.Agent {
    let agent = agents.get(guest);
    if (!agent) {
      const [second = 0, third = 0] = createHash('sha256').update(guest).digest();
      agent = new https.Agent({ ca, keepAlive: true, localAddress: `127.${1 + (second % 250)}.${third}.1` });
      agents.set(guest, agent);
    }
    return agent;
  }

  const send: Send = (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const agent = agentFor(headers['Authorization'] ?? '');
      const request = https.request(url, { method, headers, agent, signal }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', (error) => reject(withCause(error)));
        response.on('end', () =>
          resolve(
            new Response(Buffer.concat(chunks), {
              status: response.statusCode ?? 0,
              headers: flat(response.headers),
            }),
          ),
        );
      });
      request.on('error', (error) => reject(withCause(error)));
      request.end(body);
    });

  return {
    send,
    close(): void {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/** As fetch throws it. */
const withCause = (error: Error) => new Error('no answer', { cause: error });

function flat(headers: NodeJS.Dict<string | string[]>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
}
