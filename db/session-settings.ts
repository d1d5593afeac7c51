/**
 * What the service's statements rely on in a session, beside what Postgres sets by itself. Nothing of it is assumed: a
 * role, a database or a server may have any of it otherwise, and behind a pooler that works by transaction nothing that is
 * set for a session lasts. So it is looked at, and set where it differs (`fit`).
 */
export interface SessionSetting {
  name: string;
  value: string;
  /** Other values that do as well. */
  alsoFine?: (value: string) => boolean;
  /** Left alone unless the role itself has it: on the database or the server it is somebody's decision. */
  onlyOfRole?: boolean;
}

/** An own value does if it is at least as strict; 0 is no limit. Milliseconds. */
const timeout = (name: string, ms: number): SessionSetting => ({
  name,
  value: String(ms),
  alsoFine: (value) => Number(value) > 0 && Number(value) <= ms,
});

const serviceTimeouts = [
  timeout('statement_timeout', 2_000),
  timeout('lock_timeout', 1_500),
  timeout('idle_in_transaction_session_timeout', 10_000),
];

/** A migration may take long once it has its locks, but must not queue for one: whoever comes after would queue behind it. */
const migrationTimeouts: SessionSetting[] = [
  { name: 'statement_timeout', value: '0' },
  timeout('lock_timeout', 250),
  { name: 'idle_in_transaction_session_timeout', value: '0' },
];

const forms: SessionSetting[] = [
  // How instants, intervals, bytes and numbers are written to us: `pg` reads the ISO forms only.
  { name: 'DateStyle', value: 'ISO, MDY', alsoFine: (value) => value.startsWith('ISO,') },
  { name: 'TimeZone', value: 'UTC', alsoFine: (value) => /^(Etc\/)?(UTC|UCT|Zulu)$/.test(value) },
  { name: 'IntervalStyle', value: 'postgres' },
  { name: 'bytea_output', value: 'hex' },
  { name: 'extra_float_digits', value: '1', alsoFine: (value) => Number(value) >= 1 },
  { name: 'client_encoding', value: 'UTF8' },
  // How what we write is read.
  { name: 'standard_conforming_strings', value: 'on' },
  { name: 'array_nulls', value: 'on' },
  { name: 'transform_null_equals', value: 'off' },
  { name: 'search_path', value: 'public', alsoFine: (value) => /^("\$user", ?)?public(,|$)/.test(value) },
  { name: 'default_transaction_isolation', value: 'read committed' },
  { name: 'default_transaction_read_only', value: 'off', onlyOfRole: true },
];

/** What API, worker and commands rely on. */
export const serviceSettings: readonly SessionSetting[] = [...serviceTimeouts, ...forms];
/** What migrations rely on. */
export const migrationSettings: readonly SessionSetting[] = [...migrationTimeouts, ...forms];

export interface SettingRow {
  name: string;
  setting: string;
  /** What a new session of this role begins with. */
  roleSetting: string;
  source: string;
}

/** Reads them, with the server process that answers: a pooler's clients are told another one when they connect. */
export const sessionQuery = `
  select name, setting, reset_val as "roleSetting", source, pg_backend_pid() as pid, pg_is_in_recovery() as standby, current_user as role
    from pg_settings where name in (${serviceSettings.map(({ name }) => `'${name}'`).join(', ')})`;

/** Those that are to be set. */
export function unfit(wanted: readonly SessionSetting[], found: readonly SettingRow[]): SessionSetting[] {
  return wanted.filter(({ name, value, alsoFine, onlyOfRole }) => {
    const row = found.find((one) => one.name === name);
    if (!row || row.setting === value || alsoFine?.(row.setting)) return false;
    // "user", "database user": `alter role … set`, in all databases or in one.
    return !onlyOfRole || row.source.endsWith('user');
  });
}

/** `set …;` of them, for the session; `''` of none. The names and values are those above, which need no escaping. */
export const setForSession = (settings: readonly SessionSetting[]): string =>
  settings.map(({ name, value }) => `set ${name} = '${value}'`).join('; ');

/** How a transaction begins that relies on nothing of its session; undefined when the session is as it should be. */
export function beginWith(settings: readonly SessionSetting[]): string | undefined {
  if (settings.length === 0) return undefined;
  const modes: string[] = [];
  const locals: string[] = [];
  for (const { name, value } of settings) {
    // The defaults count when a transaction begins: within it they would come too late.
    if (name === 'default_transaction_isolation') modes.push('isolation level read committed');
    else if (name === 'default_transaction_read_only') modes.push('read write');
    else locals.push(`set local ${name} = '${value}'`);
  }
  return [`begin ${modes.join(' ')}`.trim(), ...locals].join('; ');
}
