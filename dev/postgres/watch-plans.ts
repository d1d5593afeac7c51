import type pg from 'pg';
import type { Knex } from 'knex';
import { connectDatabase } from '../../db/knex.ts';

/** A scan of a table in a plan that has run. */
export interface Scan {
  table: string;
  /** Rows that were looked at, those that a filter then threw away included. */
  rowsRead: number;
  node: string;
  condition: string | undefined;
}

/** A statement as Postgres ran it, one inside a function too. */
export interface RunStatement {
  sql: string;
  ms: number;
  scans: Scan[];
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  Filter?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  Plans?: PlanNode[];
}

/**
 * A database connection that tells how Postgres ran each statement on it: the real text, with the real values, inside
 * functions and triggers as well. By `auto_explain`, which only a superuser may load.
 */
export async function watchPlans(superuserUrl: string) {
  const db = connectDatabase(superuserUrl, {
    poolMax: 1,
    acquireMs: 60_000,
    queryMs: 60_000,
    applicationName: 'plans',
  });
  const client = db.client as Knex.Client;
  const connection = (await client.acquireConnection()) as pg.Client;
  const seen: RunStatement[] = [];
  connection.on('notice', ({ message }) => {
    const [, ms, plan] = /^duration: ([\d.]+) ms {2}plan:\n([^]*)$/.exec(message ?? '') ?? [];
    if (plan) seen.push(readStatement(Number(ms), plan));
  });
  await client.releaseConnection(connection);
  await db.raw("load 'auto_explain'");
  for (const [name, value] of Object.entries(watching)) await db.raw(`set auto_explain.${name} = ${value}`);
  return {
    db,
    /** What was run since it was asked last. */
    takeStatements: () => seen.splice(0),
    close: () => db.destroy(),
  };
}

const watching = {
  log_min_duration: 0,
  log_analyze: 'on',
  log_nested_statements: 'on',
  log_format: 'json',
  log_level: 'notice',
};

function readStatement(ms: number, json: string): RunStatement {
  const { 'Query Text': sql, Plan: plan } = JSON.parse(json) as { 'Query Text': string; Plan: PlanNode };
  return { sql: sql.replace(/\s+/g, ' ').trim(), ms, scans: scansIn(plan) };
}

function scansIn(node: PlanNode): Scan[] {
  const below = (node.Plans ?? []).flatMap(scansIn);
  const table = node['Relation Name'];
  if (!table || !node['Node Type'].endsWith('Scan')) return below;
  const rows =
    (node['Actual Rows'] ?? 0) +
    (node['Rows Removed by Filter'] ?? 0) +
    (node['Rows Removed by Index Recheck'] ?? 0);
  const rowsRead = rows * (node['Actual Loops'] ?? 1);
  return [
    { table, rowsRead, node: node['Node Type'], condition: node['Index Cond'] ?? node.Filter },
    ...below,
  ];
}
