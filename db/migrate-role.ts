import pg from 'pg';
import { connectDatabase, type Db, rows } from './knex.ts';
import { serviceSettings, type SettingRow, sessionQuery, unfit } from './session-settings.ts';

/** Privileges of the services' role: rows but never the schema; append-only tables allow only reads and inserts. */
export async function grantRows(db: Db, appUrl: string): Promise<void> {
  const [found] = await rows(db, 'select 1 from pg_roles where rolname = ? and rolname <> current_user', [
    roleOf(appUrl),
  ]);
  if (!found) return;
  const role = pg.escapeIdentifier(roleOf(appUrl));
  await db.raw(`
    grant usage on schema public to ${role};
    grant select, insert, update, delete on all tables in schema public to ${role};
    grant usage on all sequences in schema public to ${role};
    revoke update, delete on booking_events, staff_events from ${role};
    revoke insert, update, delete on knex_migrations, knex_migrations_lock, schema_baseline from ${role};
  `);
}

/** The role in the address. Supabase's pooler expects `role.project`. */
function roleOf(url: string): string {
  const { username, hostname } = new URL(url);
  const name = decodeURIComponent(username);
  return hostname.endsWith('.pooler.supabase.com') ? name.replace(/\.[a-z0-9]+$/, '') : name;
}

/**
 * Stores the settings that the service needs with its role, which may change its own: every session then has them,
 * behind any pooler, at no cost. Otherwise the service sets them in each transaction. A failure is only logged.
 */
export async function storeRoleSettings(
  owner: Db,
  appUrl: string,
  log: (line: string) => void,
): Promise<void> {
  const app = connectDatabase(appUrl, { poolMax: 1, applicationName: 'booking-migrate', acquireMs: 5_000 });
  try {
    const [as] = await rows<{ role: string }>(owner, 'select current_user as role');
    const found = await rows<SettingRow & { role: string }>(app, sessionQuery);
    // Owner and service share this role, whose settings may matter to others too.
    if (found[0]?.role === as?.role) return;
    const ofRole = found.map((row) => ({ ...row, setting: row.roleSetting }));
    const settings = unfit(serviceSettings, ofRole).filter(({ onlyOfRole }) => !onlyOfRole);
    for (const { name, value } of settings) await app.raw(`alter role current_user set ${name} = '${value}'`);
    if (settings.length > 0)
      log(`Stored with the role ${found[0]?.role}: ${settings.map(({ name }) => name).join(', ')}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split(' - ').at(-1) : String(error);
    log(`The settings of the services' role could not be stored (${reason}): they set them themselves.`);
  } finally {
    await app.destroy();
  }
}
