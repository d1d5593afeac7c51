import pg from 'pg';

export const superuser = 'postgres';

export interface Passwords {
  superuser: string;
  owner: string;
  app: string;
}

/**
 * Creates those that are missing: the role that owns and migrates the database, the role that the service uses, and the
 * database itself. Neither role is a superuser; `btree_gist` needs none, since it is a trusted extension from
 * PostgreSQL 13 on. The migrations grant booking_app its privileges.
 */
export async function ensureRolesAndDatabase(adminUrl: string, passwords: Passwords): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT rolname AS name FROM pg_roles WHERE rolname IN ('booking_owner', 'booking_app')
       UNION ALL SELECT datname FROM pg_database WHERE datname = 'booking'`,
    );
    const existing = new Set(rows.map(({ name }) => name));
    for (const [role, password] of Object.entries({
      booking_owner: passwords.owner,
      booking_app: passwords.app,
    })) {
      // Our passwords hold only base64url characters, so they need no quoting.
      if (!existing.has(role)) await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);
    }
    if (!existing.has('booking')) await client.query('CREATE DATABASE booking OWNER booking_owner');
  } finally {
    await client.end();
  }
}
