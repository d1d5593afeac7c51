import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What happens on the way between two parts: `forward` carries, `refuse` resets what is open and what comes,
 * `freeze` accepts and carries nothing more, `mute` carries requests but no answers (the effect happens, the answer
 * is lost), a number carries every chunk so many milliseconds late, in order.
 */
export type LinkMode = 'forward' | 'refuse' | 'freeze' | 'mute' | number;

/** A TCP proxy in this process in front of `port` on 127.0.0.1. */
export async function openLink(port: () => number) {
  const pairs = new Set<{ client: Socket; upstream: Socket }>();
  let mode: LinkMode = 'forward';
  let changed = Promise.resolve();
  let announceChange = () => {};
  renewChange();

  function renewChange(): void {
    changed = new Promise((resolve) => (announceChange = resolve));
  }

  /** One direction. The next chunk waits for the one before it: a delay that ends never overtakes. */
  async function carry(from: Socket, to: Socket, isAnswer: boolean): Promise<void> {
    try {
      for await (const chunk of from) {
        if (typeof mode === 'number') await wait(mode);
        while (mode === 'freeze' || (mode === 'mute' && isAnswer)) await changed;
        if (!to.writable) break;
        if (!to.write(chunk as Buffer))
          await new Promise((resolve) => to.once('drain', resolve).once('close', resolve));
      }
      to.end();
    } catch {
      to.destroy();
    }
  }

  const server = createServer((client) => {
    client.on('error', () => {});
    if (mode === 'refuse') return void client.resetAndDestroy();
    const upstream = connect(port(), '127.0.0.1');
    const pair = { client, upstream };
    pairs.add(pair);
    upstream.on('error', () => client.destroy());
    client.on('close', () => {
      pairs.delete(pair);
      upstream.destroy();
    });
    upstream.on('close', () => mode !== 'freeze' && client.end());
    void carry(client, upstream, false);
    void carry(upstream, client, true);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

  function reset(): void {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  return {
    port: (server.address() as AddressInfo).port,
    set(next: LinkMode): void {
      // A mute link never delivers the answers that it held back: those connections end without them.
      if (next === 'refuse' || mode === 'mute') reset();
      mode = next;
      announceChange();
      renewChange();
    },
    async close(): Promise<void> {
      mode = 'refuse';
      announceChange();
      reset();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Link = Awaited<ReturnType<typeof openLink>>;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
