import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { flagKinds } from '../../db/flags.ts';
import { read } from '../compose-kit.ts';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook: string };
}

const rules = (parse(read('ops/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

/** The sections below "Alerts", by heading. */
const [, chapter = ''] = read('docs/operations.md').split(/^## Alerts$/m);
const sections = new Map(
  chapter
    .split(/^## /m)[0]
    ?.split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0] ?? '', section.replace(/^.*\n/, '').trim()] as const),
);

describe('the alert rules', () => {
  test('each has a section in the operations page, each section a rule, each name is used once', () => {
    expect(rules.length).toBeGreaterThan(15);
    expect(rules.map((rule) => rule.alert).sort()).toEqual([...sections.keys()].sort());
  });

  test.each(rules)('$alert points to its section, which knows how urgent it is', (rule) => {
    const { summary, description, runbook } = rule.annotations;
    expect([summary, description]).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
    // As GitHub makes the anchor of a heading of one word.
    expect(runbook).toBe(`docs/operations.md#${rule.alert.toLowerCase()}`);
    expect(sections.get(rule.alert)?.split('.')[0]?.toLowerCase()).toBe(rule.labels.severity);
    expect(['critical', 'warning']).toContain(rule.labels.severity);
  });

  test('a flag of every kind is told of', () => {
    const kinds = rules.flatMap(
      ({ expr }) => /flags_open\{[^}]*kind=~?"([^"]*)"/.exec(expr)?.[1]?.split('|') ?? [],
    );
    // A dead message has a figure of its own.
    expect(rules.some((rule) => rule.expr.includes('outbox_messages_dead'))).toBe(true);
    expect([...kinds, 'message_dead'].sort()).toEqual([...flagKinds].sort());
  });

  test('the jobs that rules and dashboard name are those of the example configuration', () => {
    const { scrape_configs, rule_files } = parse(read('ops/prometheus/prometheus.yml')) as {
      scrape_configs: { job_name: string }[];
      rule_files: string[];
    };
    expect(rule_files).toEqual(['alerts.yml']);
    const named = `${read('ops/prometheus/alerts.yml')}${read('ops/grafana/booking.json')}`.matchAll(
      /job=\\?"([^"\\]*)/g,
    );
    const jobs = new Set([...named].map((match) => match[1]));
    expect([...jobs].sort()).toEqual(scrape_configs.map((config) => config.job_name).sort());
  });
});
