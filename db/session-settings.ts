/**
 * Session settings that the service's statements rely on, besides the defaults of Postgres. None is taken for granted:
 * a role, a database or a server may set any of them otherwise, and behind a transaction pooler nothing set for a
 * session lasts. So they are checked, and set where they differ (`fit`).
 */
export interface SessionSetting {
  name: string;
  value: string;
  /** Other acceptable values. */
  alsoFine?: (value: string) => boolean;
  /** Changed only if the role itself sets it: on the database or the server it is a deliberate choice. */
  onlyOfRole?: boolean;
}

/** A stricter value than ours is kept; 0 means no limit. Milliseconds. */
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

/** A migration may run long once it has its locks, but must not queue for one: later sessions would queue behind it. */
const migrationTimeouts: SessionSetting[] = [
  { name: 'statement_timeout', value: '0' },
  timeout('lock_timeout', 250),
  { name: 'idle_in_transaction_session_timeout', value: '0' },
];

const forms: SessionSetting[] = [
  // The output format of instants, intervals, bytes and numbers: `pg` reads the ISO forms only.
  { name: 'DateStyle', value: 'ISO, MDY', alsoFine: (value) => value.startsWith('ISO,') },
  { name: 'TimeZone', value: 'UTC', alsoFine: (value) => /^(Etc\/)?(UTC|UCT|Zulu)$/.test(value) },
  { name: 'IntervalStyle', value: 'postgres' },
  { name: 'bytea_output', value: 'hex' },
  { name: 'extra_float_digits', value: '1', alsoFine: (value) => Number(value) >= 1 },
  { name: 'client_encoding', value: 'UTF8' },
  // The input format of what we write.
  { name: 'standard_conforming_strings', value: 'on' },
  { name: 'array_nulls', value: 'on' },
  { name: 'transform_null_equals', value: 'off' },
  { name: 'search_path', value: 'public', alsoFine: (value) => /^("\$user", ?)?public(,|$)/.test(value) },
  { name: 'default_transaction_isolation', value: 'read committed' },
  { name: 'default_transaction_read_only', value: 'off', onlyOfRole: true },
];

/** Settings that API, worker and commands rely on. */
export const serviceSettings: readonly SessionSetting[] = [...serviceTimeouts, ...forms];
/** Settings that migrations rely on. */
export const migrationSettings: readonly SessionSetting[] = [...migrationTimeouts, ...forms];

export interface SettingRow {
  name: string;
  setting: string;
  /** Defaults of a new session of this role. */
  roleSetting: string;
  source: string;
}

/**
 * Reads them with the pid of the server process that answers: a pooler reports another one to its clients at connect.
 */
export const sessionQuery = `
  select name, setting, reset_val as "roleSetting", source, pg_backend_pid() as pid, pg_is_in_recovery() as standby, current_user as role
    from pg_settings where name in (${serviceSettings.map(({ name }) => `'${name}'`).join(', ')})`;

/** The settings that differ and must be set. */
export function unfit(wanted: readonly SessionSetting[], found: readonly SettingRow[]): SessionSetting[] {
  return wanted.filter(({ name, value, alsoFine, onlyOfRole }) => {
    const row = found.find((one) => one.name === name);
    if (!row || row.setting === value || alsoFine?.(row.setting)) return false;
    // "user", "database user": `alter role … set`, in all databases or in one.
    return !onlyOfRole || row.source.endsWith('user');
  });
}

/**
 * `set …;` statements for the session; `''` when there are none. Names and values are the constants above and need no
 * escaping.
 */
export const setForSession = (settings: readonly SessionSetting[]): string =>
  settings.map(({ name, value }) => `set ${name} = '${value}'`).join('; ');

/**
 * The beginning of a transaction that relies on nothing of its session; undefined when the session is as it should be.
 */
export function beginWith(settings: readonly SessionSetting[]): string | undefined {
  if (settings.length === 0) return undefined;
  const modes: string[] = [];
  const locals: string[] = [];
  for (const { name, value } of settings) {
    // Postgres applies the defaults when a transaction begins: set within it they would come too late.
    if (name === 'default_transaction_isolation') modes.push('isolation level read committed');
    else if (name === 'default_transaction_read_only') modes.push('read write');
    else locals.push(`set local ${name} = '${value}'`);
  }
  return [`begin ${modes.join(' ')}`.trim(), ...locals].join('; ');
}
