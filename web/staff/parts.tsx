import type { ComponentChildren } from 'preact';
import type { BookingStatus, PaymentStatus } from '../../domain/booking.ts';
import { toMajor } from '../../domain/money.ts';

/** The components that all pages share. */

type Tone = 'good' | 'wait' | 'bad' | 'calm';

const tones: Record<string, Tone> = {
  pending: 'wait',
  held: 'wait',
  processing: 'wait',
  parked: 'wait',
  submitted: 'wait',
  creating: 'wait',
  confirmed: 'good',
  succeeded: 'good',
  completed: 'calm',
  expired: 'calm',
  cancelled: 'calm',
  canceled: 'calm',
  refunded: 'calm',
  failed: 'bad',
  refused: 'bad',
} satisfies Record<BookingStatus | PaymentStatus, Tone> & Record<string, Tone>;

/** `slot_taken` → `slot taken`. */
export const plain = (word: string) => word.replaceAll('_', ' ');

export const bookingLink = (id: number) => <a href={`/admin/bookings/${id}`}>#{id}</a>;

/** A status as a coloured word, so that colour never carries the meaning alone. */
export function Badge({ status, tone }: { status: string; tone?: Tone }) {
  return <span class={`badge ${tone ?? tones[status] ?? 'calm'}`}>{plain(status)}</span>;
}

const formats = new Map<string, Intl.NumberFormat>();

/** 5000 `usd` → `USD 50.00`. */
export function formatMoney(amountMinor: number, currency: string): string {
  let format = formats.get(currency);
  if (!format) {
    format = new Intl.NumberFormat('en', { style: 'currency', currency, currencyDisplay: 'code' });
    formats.set(currency, format);
  }
  return format.format(toMajor(amountMinor, currency)).replace('\u00a0', ' ');
}

/** An instant, in UTC: it belongs to no room. */
export function Instant({ at }: { at: Date }) {
  const iso = at.toISOString();
  return <time dateTime={iso}>{`${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`}</time>;
}

/** 3725000 → `1 h 2 min`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** `09:00:00` → `09:00`. */
export const shortTime = (time: string) => time.slice(0, 5);

export function Card({ title, id, children }: { title: string; id: string; children: ComponentChildren }) {
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

/** Names and values, as a description list. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export interface Column<Row> {
  key: string;
  title: string;
  cell(row: Row): ComponentChildren;
  /** Aligns the column to the right. */
  numeric?: boolean;
}

/** A table. On a phone every row becomes a card, and each cell shows its column's title. */
export function Table<Row extends { id: number | string }>(props: {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  head?: (column: Column<Row>) => ComponentChildren;
  sorted?: { key: string; descending: boolean };
}) {
  const { caption, columns, rows, head, sorted } = props;
  const order = sorted?.descending ? 'descending' : 'ascending';
  return (
    <div class="scroll">
      <table class="list">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                class={column.numeric ? 'number' : undefined}
                aria-sort={sorted?.key === column.key ? order : undefined}
              >
                {head ? head(column) : column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              {columns.map((column) => (
                <td key={column.key} data-title={column.title} class={column.numeric ? 'number' : undefined}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A text field with its label, hint and error, linked for screen readers. */
export function Field(props: {
  name: string;
  label: string;
  value: string;
  error?: string | undefined;
  hint?: string;
  required?: boolean;
  autoComplete?: string;
  inputMode?: 'numeric' | 'decimal' | 'email';
  maxLength?: number;
  list?: string;
  secret?: boolean;
  lines?: number;
}) {
  const { name, label, value, error, hint, lines, secret, ...rest } = props;
  const described = [hint && `${name}-hint`, error && `${name}-error`].filter(Boolean).join(' ') || undefined;
  const shared = {
    ...rest,
    id: name,
    name,
    'aria-invalid': error ? ('true' as const) : undefined,
    'aria-describedby': described,
  };
  return (
    <div class={error ? 'field wrong' : 'field'}>
      <label for={name}>{label}</label>
      {hint && (
        <p class="hint" id={`${name}-hint`}>
          {hint}
        </p>
      )}
      {lines ? (
        <textarea {...shared} rows={lines}>
          {value}
        </textarea>
      ) : secret ? (
        <input {...(shared as object)} type="password" />
      ) : (
        <input {...(shared as object)} type="text" value={value} />
      )}
      {error && (
        <p class="error" id={`${name}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

/** An error at the top of a page or form. */
export function Alert({ children }: { children: ComponentChildren }) {
  return (
    <div class="notice bad" role="alert">
      {children}
    </div>
  );
}
