import type pg from 'pg';
import { parse } from 'pg-connection-string';

/** The database address cannot be used. The message says what to change and never contains a password. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError';
}

export interface DatabaseAddress {
  /** The options that `pg` connects with. */
  config: pg.ClientConfig;
  /** Whether a server without TLS is accepted (`sslmode=prefer`, and the default for a remote host, as in libpq). */
  plainAllowed: boolean;
  /** `pgbouncer=true`, as Supabase's page and Prisma write it: a pooler that keeps no prepared statements. */
  keepsStatements: boolean | undefined;
}

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const;
type Mode = (typeof modes)[number];

const isMode = (text: string): text is Mode => (modes as readonly string[]).includes(text);

/**
 * Reads the address of a database as libpq does (https://www.postgresql.org/docs/current/libpq-ssl.html): `require`
 * encrypts and verifies only if `sslrootcert` names an authority, `verify-ca` needs one, `verify-full` also checks the
 * name. Without `sslmode` a remote server is asked for TLS and taken without it. One difference: `verify-full` without
 * `sslrootcert` trusts the public authorities that Node knows (libpq's `sslrootcert=system`) instead of a file in the home directory.
 * @throws DatabaseUrlError
 */
export function readDatabaseUrl(url: string): DatabaseAddress {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new DatabaseUrlError('must be an address like postgres://user:password@host:5432/database');
  }
  const address = new URL(url);
  const query = address.searchParams;
  const mode = modeOf(address);
  if (mode === 'verify-ca' && !query.get('sslrootcert')) {
    throw new DatabaseUrlError(
      'sslmode=verify-ca needs sslrootcert=/path/to/ca.pem; for a certificate of a public authority write sslmode=verify-full',
    );
  }
  if (query.get('sslrootcert') === 'system') {
    if (mode !== 'verify-full') throw new DatabaseUrlError('sslrootcert=system needs sslmode=verify-full');
    query.delete('sslrootcert');
  }
  const pooler = query.get('pgbouncer');
  // These parameters are for us. Any that remained would be sent to the server as settings of the connection.
  for (const name of ['ssl', 'pgbouncer', 'uselibpqcompat']) query.delete(name);
  query.set('sslmode', mode === 'allow' ? 'prefer' : mode === 'no-verify' ? 'require' : mode);
  return {
    config: parsed(address),
    plainAllowed: mode === 'prefer' || mode === 'allow',
    keepsStatements: pooler === null ? undefined : pooler !== 'true',
  };
}

function modeOf({ hostname, searchParams }: URL): Mode {
  const written = searchParams.get('sslmode');
  if (written !== null) {
    if (isMode(written)) return written;
    throw new DatabaseUrlError(`sslmode must be one of ${modes.slice(0, -1).join(', ')}`);
  }
  const host = searchParams.get('host') ?? hostname;
  switch (searchParams.get('ssl')) {
    case 'true':
    case '1':
      return 'require';
    case 'false':
    case '0':
      return 'disable';
    default:
      return isLocal(decodeURIComponent(host)) ? 'disable' : 'prefer';
  }
}

/** This machine, or a socket in its file system (libpq uses no TLS there either). */
const isLocal = (host: string) =>
  host === '' || host === 'localhost' || host === '[::1]' || host.startsWith('127.') || host.startsWith('/');

function parsed(address: URL): pg.ClientConfig {
  let options;
  try {
    options = parse(address.href, { useLibpqCompat: true });
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code) throw new DatabaseUrlError(`the file ${path} cannot be read (${code})`);
    throw new DatabaseUrlError('must be an address like postgres://user:password@host:5432/database');
  }
  const { host, port, user, password, database, ssl, options: startup } = options;
  return {
    ...(host && { host }),
    ...(port && { port: Number(port) }),
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
    ...(startup && { options: startup }),
    ssl: (ssl ?? false) as NonNullable<pg.ClientConfig['ssl']>,
  };
}
