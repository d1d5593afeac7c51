import ipaddr from 'ipaddr.js';
import type { Middleware } from 'koa';

/**
 * Sets `ctx.ip`, which limits count by: the address that the outermost trusted proxy has seen, in one spelling.
 * @param hops how many proxies in front of the API add to `X-Forwarded-For`; with 0 the header is not read
 */
export function setClientAddress(hops: number): Middleware {
  return async (ctx, next) => {
    const forwarded = hops > 0 ? ctx.get('X-Forwarded-For') : '';
    ctx.request.ip = clientAddress(forwarded, ctx.socket.remoteAddress ?? '', hops);
    await next();
  };
}

/**
 * The client's address according to `hops` proxies. Each appends the address that it has seen, some with a port, so the
 * entry that counts is the one `hops` from the end; entries before it were sent by the client. If an entry is not an
 * address (`unknown`, `_hidden`), that of the next proxy counts.
 * @param forwarded `X-Forwarded-For`; several headers of that name joined by commas, as Node does
 * @param peer the address of the connection
 */
export function clientAddress(forwarded: string, peer: string, hops: number): string {
  const entries = forwarded.split(',').filter((entry) => entry.trim() !== '');
  const trusted = hops > 0 ? entries.slice(-hops) : [];
  for (const entry of [...trusted, peer]) {
    const address = readAddress(entry);
    if (address) return address;
  }
  return peer;
}

/**
 * One spelling for an address that may be written with a port (`192.0.2.7:4711`, `[2001:db8::7]:4711`), in
 * brackets or quotes, with a zone, or as IPv4 inside IPv6. Undefined if it is not an address.
 */
function readAddress(text: string): string | undefined {
  const bare = text.trim().replace(/^"(.*)"$/, '$1');
  const [, bracketed] = /^\[([^\]]*)\](?::\d*)?$/.exec(bare) ?? [];
  const [, v4] = /^([\d.]+)(?::\d*)?$/.exec(bare) ?? [];
  const address = (bracketed ?? v4 ?? bare).split('%', 1)[0] ?? '';
  // Only the usual four numbers: `127.1` and `0x7f.1` are addresses to some programs and names to others.
  if (!ipaddr.IPv4.isValidFourPartDecimal(address) && !ipaddr.IPv6.isValid(address)) return undefined;
  return ipaddr.process(address).toString();
}

/**
 * The key by which limits count an address. Of IPv6 it is the first 64 bits, since a client gets a whole network
 * (RFC 6177) and could use another address for each request. IPv4 inside IPv6 counts as IPv4.
 */
export function addressKey(ip: string): string {
  const address = readAddress(ip);
  if (!address) return ip;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv4) return address;
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
