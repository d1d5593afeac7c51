import { describe, expect, test } from 'vitest';
import { addressKey, clientAddress } from '../../http/client-address.ts';

describe('what stands for an address in the limits', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:0207', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['2001::4:5:6:7:8', '2001:0:0:4::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['unknown', 'unknown'],
    ['', ''],
  ])('of %s it is %s', (ip, key) => {
    expect(addressKey(ip)).toBe(key);
  });
});

describe('the address of a client behind a proxy', () => {
  const peer = '::ffff:10.0.0.1';

  test.each([
    ['192.0.2.7', '192.0.2.7'],
    // As Azure's gateways and some others send it, the port of each connection with it.
    ['192.0.2.7:4711', '192.0.2.7'],
    ['192.0.2.7:4712', '192.0.2.7'],
    ['192.0.2.7:', '192.0.2.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['"[2001:db8::7]:4711"', '2001:db8::7'],
    ['2001:0DB8:0:0::7', '2001:db8::7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['[::ffff:192.0.2.7]:4711', '192.0.2.7'],
    ['::FFFF:C000:0207', '192.0.2.7'],
    ['  192.0.2.7\t', '192.0.2.7'],
    // What the client claims comes first.
    ['198.51.100.1, 192.0.2.7', '192.0.2.7'],
    ['198.51.100.1,192.0.2.7', '192.0.2.7'],
    ['unknown, 192.0.2.7', '192.0.2.7'],
    // An empty header of the client's, to which the proxy has added.
    [', 192.0.2.7', '192.0.2.7'],
    ['192.0.2.7, ', '192.0.2.7'],
    [',,192.0.2.7,,', '192.0.2.7'],
    // Nothing that could be believed: the proxy itself.
    ['', '10.0.0.1'],
    [' , ', '10.0.0.1'],
    ['unknown', '10.0.0.1'],
    ['_hidden', '10.0.0.1'],
    ['192.0.2.7, unknown', '10.0.0.1'],
    ['not an address', '10.0.0.1'],
    ['999.0.2.7', '10.0.0.1'],
    ['127.1', '10.0.0.1'],
    ['0x7f.0.0.1', '10.0.0.1'],
    ['[2001:db8::7', '10.0.0.1'],
    ['192.0.2.7:80:80', '10.0.0.1'],
    ['a'.repeat(10_000), '10.0.0.1'],
  ])('of “%s” it is %s', (forwarded, address) => {
    expect(clientAddress(forwarded, peer, 1)).toBe(address);
  });

  test.each([
    [0, '192.0.2.7', '10.0.0.1'],
    [2, '203.0.113.1, 192.0.2.7, 10.0.0.2', '192.0.2.7'],
    [2, '203.0.113.1, 192.0.2.7:1, [::ffff:10.0.0.2]:2', '192.0.2.7'],
    // A proxy that names no client: its own address, as the next proxy has seen it.
    [2, '203.0.113.1, unknown, 10.0.0.2', '10.0.0.2'],
    // Fewer entries than proxies: a client has bypassed the first.
    [3, '192.0.2.7', '192.0.2.7'],
  ])('with %i proxies, of “%s” it is %s', (hops, forwarded, address) => {
    expect(clientAddress(forwarded, peer, hops)).toBe(address);
  });

  test('without a proxy it is that of the connection, in one spelling', () => {
    expect(clientAddress('', '::ffff:192.0.2.7', 0)).toBe('192.0.2.7');
    expect(clientAddress('', '', 0)).toBe('');
  });
});
