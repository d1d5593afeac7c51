import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { flagKinds, raiseFlag } from '../../db/flags.ts';
import { rows } from '../../db/knex.ts';
import { findFreePort } from '../../dev/ports.ts';
import { projectDir } from '../../dev/project-dir.ts';
import { until } from '../setup/system.ts';
import { type Payments, startPayments } from './payment-kit.ts';
import { connectTemporal, spawnWorker, type Temporal, type WorkerProcess } from './worker-process.ts';

interface Sample {
  name: string;
  labels: Record<string, string>;
}
interface Matcher {
  label: string;
  operator: string;
  value: string;
}
interface Selector {
  name: string;
  matchers: Matcher[];
}

/** What Prometheus adds to what it reads, or makes itself. */
const prometheusOwn = { labels: ['job', 'instance'], series: ['up', 'ALERTS'] };
const keywords = ['by', 'without', 'on', 'ignoring', 'or', 'and', 'unless', 'offset', 'bool'];

const read = (path: string) => readFileSync(join(projectDir, path), 'utf8');

/** The expressions of the rules, by alert. */
function ruleExpressions(): [string, string][] {
  const { groups } = parse(read('ops/prometheus/alerts.yml')) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  return groups.flatMap((group) => group.rules.map((rule): [string, string] => [rule.alert, rule.expr]));
}

/** The expressions of the dashboard, by panel. */
function dashboardExpressions(): [string, string][] {
  const { panels } = JSON.parse(read('ops/grafana/booking.json')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  return panels.flatMap((panel) =>
    (panel.targets ?? []).map((target): [string, string] => [panel.title, target.expr]),
  );
}

/** The series that a PromQL expression reads. */
function selectorsOf(expression: string): Selector[] {
  const bare = expression
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '')
    .replace(/\[[^\]]*\]|\boffset\s+\w+/g, '');
  return [...bare.matchAll(/(?<![\w."])([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()(?:\{([^}]*)\})?/g)]
    .filter(([, name = '']) => !keywords.includes(name))
    .map(([, name = '', inner = '']) => ({
      name,
      matchers: [...inner.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(
        ([, label = '', operator = '', value = '']) => ({ label, operator, value }),
      ),
    }));
}

/** The labels by which an expression groups. */
const groupedBy = (expression: string): string[] =>
  [...expression.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap((match) => (match[1] ?? '').split(/,\s*/));

function readSamples(text: string): Sample[] {
  return [...text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/gm)].map(([, name = '', inner = '']) => ({
    name,
    labels: Object.fromEntries(
      [...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', value = '']) => [label, value]),
    ),
  }));
}

function fits({ label, operator, value }: Matcher, sample: Sample): boolean {
  // Which answers a test has provoked says nothing about the rules; that there are statuses does.
  if (label === 'status' && sample.name.startsWith('http_')) return 'status' in sample.labels;
  const found = sample.labels[label];
  if (found === undefined) return false;
  const same = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(found) : found === value;
  return same !== operator.startsWith('!');
}

describe('the metrics of operators', () => {
  let payments: Payments;
  let worker: WorkerProcess;
  let temporal: Temporal;
  let samples: Sample[];

  beforeAll(async () => {
    payments = await startPayments({ worker: false });
    const { config, stripe, call } = payments.system;
    const { taskQueue } = config.temporal;
    temporal = await connectTemporal();
    const metricsAddress = `127.0.0.1:${await findFreePort()}`;
    // A process of its own: Temporal's metrics are those of its runtime, and a process has one.
    const settings = { METRICS_ADDRESS: metricsAddress, RECONCILE_SECONDS: '1' };
    worker = spawnWorker(config, stripe.settings, settings);

    await call('GET', '/metrics'); // It counts moves from its first answer on.
    await payments.holdAndPay();
    await provokeTrouble(payments);
    // The code of the one is missing, the refund of the other: a task fails, and an activity.
    const refund = { bookingRef: randomUUID(), paymentRef: randomUUID() };
    await temporal.workflow.start('noSuchWorkflow', { taskQueue, workflowId: randomUUID() });
    await temporal.workflow.start('refundWorkflow', { taskQueue, workflowId: randomUUID(), args: [refund] });

    // Some is counted a moment later. What is still missing then, the tests tell by name.
    const expressions = [...ruleExpressions(), ...dashboardExpressions()].map(([, expression]) => expression);
    await until(
      'every figure',
      async () => {
        const ofWorker = await fetch(`http://${metricsAddress}/metrics`).then(
          (answer) => answer.text(),
          () => '',
        );
        samples = readSamples(`${(await call('GET', '/metrics')).body}\n${ofWorker}`);
        return expressions.every((expression) => faultsOf(expression).length === 0);
      },
      20_000,
    ).catch(() => undefined);
  });
  afterAll(async () => {
    await worker.kill();
    await temporal.stop(payments.system.config.temporal.taskQueue);
    await payments.stop();
  });

  /** What is wrong with an expression, seen from what API and worker print. */
  function faultsOf(expression: string): string[] {
    const selectors = selectorsOf(expression).filter(({ name }) => !prometheusOwn.series.includes(name));
    return selectors.flatMap(({ name, matchers }) => {
      const named = samples.filter((sample) => sample.name === name);
      if (named.length === 0) return [`nobody prints ${name}`];
      const own = matchers.filter(({ label }) => !prometheusOwn.labels.includes(label));
      const picked = named.filter((sample) => own.every((matcher) => fits(matcher, sample)));
      if (picked.length === 0) return [`no ${name} has ${JSON.stringify(own)}`];
      return groupedBy(expression)
        .filter((label) => !picked.some((sample) => label in sample.labels))
        .map((label) => `${name} has no label ${label}`);
    });
  }

  test.each(ruleExpressions())('the alert %s reads what is printed', (_, expression) => {
    expect(selectorsOf(expression)).not.toEqual([]);
    expect(faultsOf(expression)).toEqual([]);
  });

  test.each(dashboardExpressions())('the panel “%s” reads what is printed', (_, expression) => {
    expect(selectorsOf(expression)).not.toEqual([]);
    expect(faultsOf(expression)).toEqual([]);
  });

  test('a name, a label or a value that is never exported is noticed', () => {
    expect(faultsOf('max(outbox_eldest_seconds{job="booking-api"})')).toHaveLength(1);
    expect(faultsOf('max by (sort) (flags_open)')).toHaveLength(1);
    expect(faultsOf('flags_open{sort="dispute"}')).toHaveLength(1);
    expect(faultsOf('rate(http_request_seconds_count{route="/api/webhook/"}[5m]) > 0')).toHaveLength(1);
    expect(faultsOf('max(outbox_oldest_seconds) > 60 or sum(rate(nothing[5m]))')).toHaveLength(1);
  });
});

/** What is counted only when something goes wrong: every flag, a refund that waits, a forged webhook. */
async function provokeTrouble({ db, call }: Payments): Promise<void> {
  for (const kind of flagKinds)
    await raiseFlag(db, { kind, subject: randomUUID(), detail: 'made by a test' });
  await rows(
    db,
    `insert into refunds (payment_id, booking_id, reason, amount_minor, currency)
     select id, booking_id, 'staff:test', 1, currency from payments where status = 'succeeded'`,
  );
  await call('POST', '/api/stripe-webhook/', { body: {}, headers: { 'Stripe-Signature': 't=1,v1=00' } });
  await call('GET', '/readyz');
  await call('GET', '/api/rooms/');
}
