import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, inject, test } from 'vitest';
import { createWorkflowClient, type WorkflowClient } from '../../api/relay/workflow-client.ts';
import { loadConfig } from '../../config.ts';
import { findFreePort } from '../../dev/ports.ts';
import { startProxy } from '../setup/proxy.ts';
import { until } from '../setup/system.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function openClient(address: string): WorkflowClient {
  const { temporal } = loadConfig({
    DEBUG: 'true',
    DATABASE_URL: 'postgres://nobody@127.0.0.1/none',
    STRIPE_SECRET_KEY: 'sk_test_emulator',
    STRIPE_WEBHOOK_SECRET: 'whsec_emulator',
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: inject('temporal').namespace,
  });
  const client = createWorkflowClient(temporal);
  ends.push(() => client.close());
  return client;
}

const answers = (client: WorkflowClient) =>
  client.hasWorker().then(
    () => true,
    () => false,
  );

/** As `/readyz` and the relay ask while Temporal is away. */
async function askFor(client: WorkflowClient, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(100)) await answers(client);
}

/** Takes every connection and ends it at once, as a server that is starting may. */
async function refuseAt(port: number) {
  const attempts: number[] = [];
  const server: Server = createServer((socket) => {
    attempts.push(Date.now());
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  ends.push(() => new Promise((resolve) => server.close(resolve)));
  return attempts;
}

test('Temporal is tried every two seconds or oftener, however long it has been away', async () => {
  const port = await findFreePort();
  const attempts = await refuseAt(port);
  const client = openClient(`127.0.0.1:${port}`);
  await askFor(client, 12_000);
  // By itself gRPC pauses for 1, 1.6, 2.6, 4.1, 6.5 … s: five attempts.
  expect(attempts.length).toBeGreaterThanOrEqual(7);
}, 30_000);

test('a Temporal that came back at the same address after its machine was lost is used again', async () => {
  const proxy = await startProxy(inject('temporal').address);
  ends.push(() => proxy.stop());
  const client = openClient(proxy.address);
  expect(await answers(client)).toBe(true);
  // Nothing is forwarded any more, on connections that stay open.
  proxy.abandon();
  expect(await answers(client)).toBe(false);
  await until('an answer', () => answers(client), 15_000);
}, 40_000);
