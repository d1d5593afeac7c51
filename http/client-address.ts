import ipaddr from 'ipaddr.js';
import type { Middleware } from 'koa';

/**
 * Sets `ctx.ip`, which the limits go by: the address that the outermost trusted proxy has seen, in one spelling.
 * @param hops how many proxies stand before the API and add to `X-Forwarded-For`; 0: the header is a claim, not read
 */
export function setClientAddress(hops: number): Middleware {
  return async (ctx, next) => {
    const forwarded = hops > 0 ? ctx.get('X-Forwarded-For') : '';
    ctx.request.ip = clientAddress(forwarded, ctx.socket.remoteAddress ?? '', hops);
    await next();
  };
}

/**
 * The client's address as `hops` proxies tell it. Each adds what it has seen at the end, some with a port, so the entry
 * that counts is the one `hops` from the end; whatever stands before it was sent by the client. An entry that is no
 * address (`unknown`, `_hidden`) gives way to the next proxy's own.
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
 * An address as it is written in the wild, in one spelling: with a port (`192.0.2.7:4711`, `[2001:db8::7]:4711`), in
 * brackets or quotes, with a zone, or an IPv4 address written as IPv6. Undefined for what is none.
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
 * What stands for an address in the limits: of IPv6 its first 64 bits, since whoever has one has the whole network
 * (RFC 6177) and could send each request from another. An IPv4 address written as IPv6 is the IPv4 address.
 */
export function addressKey(ip: string): string {
  const address = readAddress(ip);
  if (!address) return ip;
  const parsed = ipaddr.parse(address);
  if (parsed instanceof ipaddr.IPv4) return address;
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
