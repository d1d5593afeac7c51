import pg from 'pg';
import { migrate } from '../db/migrate.ts';
import type { PostgresServer } from './postgres.ts';

/** Addresses of one Postgres server, each in the name of another role. */
export interface DatabaseServer {
  /** The superuser's: creates and drops databases. */
  adminUrl: string;
  /** The schema owner's: migrates. */
  ownerUrl: string;
  /** The service's: may only do what the migrations grant. */
  appUrl: string;
}

export interface DatabaseCopy {
  /** As the service connects: the role that may only do what the migrations grant. */
  url: string;
  /** As the migrations connect: the owner of the schema. */
  ownerUrl: string;
  /** As the superuser connects, for what only a superuser may look at. */
  superuserUrl: string;
  /** Removes the database, open connections and all. */
  drop: () => Promise<void>;
}

/** The address of another database on the same server, in the same role's name. */
export function inDatabase(url: string, name: string): string {
  const other = new URL(url);
  other.pathname = name;
  return other.href;
}

/** Runs `work` with a connection of its own, which is closed afterwards. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export const databaseServerOf = ({ adminUrl, settings }: PostgresServer): DatabaseServer => ({
  adminUrl,
  ownerUrl: settings.MIGRATE_DATABASE_URL,
  appUrl: settings.DATABASE_URL,
});

/**
 * Makes a migrated database that is only copied, never used. A copy takes a fraction of the time of the migrations.
 *
 * @param fill puts what every copy shall have into it, as the schema's owner
 */
export async function createTemplate(
  server: DatabaseServer,
  name: string,
  fill?: (owner: pg.Client) => Promise<void>,
): Promise<void> {
  const ownerUrl = inDatabase(server.ownerUrl, name);
  await withClient(server.adminUrl, (admin) => admin.query(`CREATE DATABASE ${name} OWNER booking_owner`));
  await migrate(ownerUrl, { appUrl: inDatabase(server.appUrl, name) });
  if (fill) await withClient(ownerUrl, fill);
  // Postgres copies only a database without connections.
  await withClient(server.adminUrl, (admin) =>
    admin.query(`ALTER DATABASE ${name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`),
  );
}

/** Makes a database of that name as a copy of the template. */
export async function copyTemplate(
  server: DatabaseServer,
  template: string,
  name: string,
): Promise<DatabaseCopy> {
  const run = async (sql: string) => {
    await withClient(server.adminUrl, (admin) => admin.query(sql));
  };
  await run(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER booking_owner`);
  return {
    url: inDatabase(server.appUrl, name),
    ownerUrl: inDatabase(server.ownerUrl, name),
    superuserUrl: inDatabase(server.adminUrl, name),
    drop: () => run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}
