import { once } from 'node:events';
import http from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { newBooking } from '../factories.ts';
import { startSystem, type System, type TestUser, until } from '../setup/system.ts';

let system: System | undefined;
afterEach(() => system?.stop().catch(() => {}));

/** A POST that takes as long as Stripe does, on a connection that its client keeps. */
async function askSlowly(running: System, guest: TestUser, agent: http.Agent) {
  const { id } = await newBooking(running, guest);
  await running.stripe.control.setLatency(1_500);
  const headers = { Authorization: `Bearer ${guest.token}`, 'Content-Type': 'application/json' };
  const request = http.request(`${running.url}/api/payment-intent/`, { method: 'POST', agent, headers });
  request.end(JSON.stringify({ booking_id: id }));
  const answer = once(request, 'response').then(([response]) => {
    (response as http.IncomingMessage).resume();
    return (response as http.IncomingMessage).statusCode;
  });
  await until('the request to be under way', async () => running.server.deps.traffic.inFlight > 0);
  return { answer };
}

/** What becomes of an attempt to connect: the name of its error, or that it was taken. */
function tryToConnect(url: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve('taken');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

test('an API that stops refuses connections, which a proxy may try elsewhere, and answers what it has taken', async () => {
  system = await startSystem({ worker: false });
  const agent = new http.Agent({ keepAlive: true });
  const { answer } = await askSlowly(system, await system.newUser(), agent);
  const { server, url } = system;
  const begun = performance.now();
  const stopped = server.stop();
  await until('the listener to be closed', async () => (await tryToConnect(url)) !== 'taken', 1_000);
  expect(await tryToConnect(url)).toBe('ECONNREFUSED');
  expect(await answer).toBe(201);
  await stopped;
  // Though its client would have kept the connection for minutes.
  expect(performance.now() - begun).toBeLessThan(8_000);
  agent.destroy();
});

test('an API that stops does not wait for connections that are idle', async () => {
  system = await startSystem({ worker: false });
  const agent = new http.Agent({ keepAlive: true });
  const request = http.get(`${system.url}/livez`, { agent });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  await once(response, 'end');
  const begun = performance.now();
  await system.server.stop();
  expect(performance.now() - begun).toBeLessThan(8_000);
  agent.destroy();
});
