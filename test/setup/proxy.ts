import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * What the network does to a connection:
 * `forward` carries it, `refuse` resets it at once, `freeze` accepts it and carries nothing more (as a stopped
 * process does), a number carries every chunk so many milliseconds late.
 */
export type ProxyMode = 'forward' | 'refuse' | 'freeze' | number;

interface Pair {
  client: Socket;
  upstream: Socket;
}

/** A TCP proxy in this process before one upstream, `host:port`, on a free port. It begins by forwarding. */
export async function startProxy(upstreamAddress: string) {
  const [host = '', port = ''] = upstreamAddress.split(/:(?=\d+$)/);
  const pairs = new Set<Pair>();
  let mode: ProxyMode = 'forward';

  function carry(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      if (typeof mode !== 'number') to.write(chunk);
      else setTimeout(() => to.writable && to.write(chunk), mode);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }

  const server = createServer((client) => {
    if (mode === 'refuse') return void client.resetAndDestroy();
    const pair = { client, upstream: connect(Number(port), host) };
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    carry(pair.client, pair.upstream);
    carry(pair.upstream, pair.client);
    if (mode === 'freeze') stopFlow(pair);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** From now on, for the connections that are open too. */
    set(next: ProxyMode): void {
      mode = next;
      for (const pair of pairs) {
        if (next === 'refuse') pair.client.resetAndDestroy();
        else if (next === 'freeze') stopFlow(pair);
        else for (const socket of [pair.client, pair.upstream]) socket.resume();
      }
    },
    /** Nothing passes any more on the connections that are open, and nobody closes them; new ones are carried. */
    abandon(): void {
      for (const pair of pairs) stopFlow(pair);
    },
    async stop(): Promise<void> {
      for (const pair of pairs) pair.client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Proxy = Awaited<ReturnType<typeof startProxy>>;

function stopFlow({ client, upstream }: Pair): void {
  client.pause();
  upstream.pause();
}
