import type { ComponentChildren } from 'preact';
import { outboxLaggingMs } from '../../../domain/limits.ts';
import { type Attention, attentionMax, readAttention } from '../queries/attention.ts';
import type { WebDeps } from '../../deps.ts';
import { Page } from '../layout.tsx';
import {
  Badge,
  bookingLink,
  Card,
  type Column,
  formatAge,
  formatMoney,
  Instant,
  plain,
  Table,
} from '../parts.tsx';
import { type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';

/** The overview: what needs attention now. */
export function frontPages({ db, workflows }: WebDeps): PanelRoute[] {
  return [
    {
      method: 'GET',
      path: '/',
      async serve(request) {
        const [attention, temporal] = await Promise.all([
          readAttention(db),
          workflows.hasWorker().then(
            (worker) => (worker ? ('running' as const) : ('no worker' as const)),
            () => 'not responding' as const,
          ),
        ]);
        respond(request.ctx, 200, <Front request={request} attention={attention} temporal={temporal} />);
      },
    },
  ];
}

function Front({
  request,
  attention,
  temporal,
}: {
  request: PanelRequest;
  attention: Attention;
  temporal: 'running' | 'no worker' | 'not responding';
}) {
  const { flags, overdue, payments, refunds, outbox, openHolds } = attention;
  const lagging = outbox.oldestMs > outboxLaggingMs;
  const calm =
    flags.length + overdue.length + payments.length + refunds.length + outbox.dead === 0 &&
    temporal === 'running' &&
    !lagging;
  return (
    <Page request={request} section="Overview" title="Overview">
      <ul class="tiles">
        <Tile
          title="Open flags"
          value={number(flags)}
          bad={flags.length > 0}
          href="/admin/flags?state=open"
        />
        <Tile title="Overdue holds" value={number(overdue)} bad={overdue.length > 0} href="#overdue" />
        <Tile title="Open holds" value={openHolds} href="/admin/bookings?status=pending" />
        <Tile
          title="Messages waiting"
          value={outbox.waiting}
          note={outbox.waiting > 0 ? `oldest ${formatAge(outbox.oldestMs)}` : 'outbox is empty'}
          bad={lagging}
        />
        <Tile
          title="Undeliverable messages"
          value={outbox.dead}
          bad={outbox.dead > 0}
          href="/admin/flags?kind=message_dead&state=open"
        />
        <Tile title="Temporal" value={temporal} bad={temporal !== 'running'} />
      </ul>
      {calm && <p class="notice good">Nothing needs attention.</p>}
      {flags.length > 0 && (
        <AttentionCard
          title="Open flags"
          id="flags"
          rows={flags}
          columns={flagColumns}
          more={<a href="/admin/flags?state=open">All open flags</a>}
        />
      )}
      {overdue.length > 0 && (
        <AttentionCard title="Overdue holds" id="overdue" rows={overdue} columns={holdColumns} />
      )}
      {payments.length > 0 && (
        <AttentionCard title="Stuck payments" id="payments" rows={payments} columns={paymentColumns} />
      )}
      {refunds.length > 0 && (
        <AttentionCard title="Slow refunds" id="refunds" rows={refunds} columns={refundColumns} />
      )}
    </Page>
  );
}

const number = (rows: readonly unknown[]) => (rows.length > attentionMax ? `${attentionMax}+` : rows.length);

function Tile(props: {
  title: string;
  value: ComponentChildren;
  note?: string;
  bad?: boolean;
  href?: string;
}) {
  const { title, value, note, bad, href } = props;
  const inside = (
    <>
      <span class="tile-title">{title}</span>
      <span class="tile-value">{value}</span>
      {note && <span class="tile-note">{note}</span>}
      {bad && <span class="tile-note">needs attention</span>}
    </>
  );
  return (
    <li class={bad ? 'tile bad' : 'tile'}>{href ? <a href={href}>{inside}</a> : <div>{inside}</div>}</li>
  );
}

/** A list of the overview: at most `attentionMax` rows, as a card. */
function AttentionCard<Row extends { id: number }>(props: {
  title: string;
  id: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  /** Shown when there are more rows. */
  more?: ComponentChildren;
}) {
  const { title, id, rows, columns, more } = props;
  return (
    <Card title={title} id={id}>
      <Table caption={title} rows={rows.slice(0, attentionMax)} columns={columns} />
      {rows.length > attentionMax && more}
    </Card>
  );
}

const flagColumns: Column<Attention['flags'][number]>[] = [
  { key: 'kind', title: 'Flag', cell: (row) => <a href={`/admin/flags/${row.id}`}>{plain(row.kind)}</a> },
  { key: 'detail', title: 'Description', cell: (row) => row.detail },
  {
    key: 'booking',
    title: 'Booking',
    cell: (row) => (row.booking_id ? bookingLink(row.booking_id) : '–'),
  },
  { key: 'at', title: 'Raised', cell: (row) => <Instant at={row.created_at} /> },
];

const holdColumns: Column<Attention['overdue'][number]>[] = [
  { key: 'booking', title: 'Booking', cell: (row) => bookingLink(row.id) },
  { key: 'room', title: 'Room', cell: (row) => row.room_name },
  { key: 'user', title: 'Customer', cell: (row) => row.user_email },
  {
    key: 'late',
    title: 'Overdue for',
    cell: (row) => formatAge(Date.now() - row.hold_expires_at.getTime()),
  },
  {
    key: 'settle',
    title: 'Action',
    cell: (row) => <a href={`/admin/bookings/${row.id}/settle`}>Settle now…</a>,
  },
];

const paymentColumns: Column<Attention['payments'][number]>[] = [
  { key: 'booking', title: 'Booking', cell: (row) => bookingLink(row.booking_id) },
  { key: 'intent', title: 'PaymentIntent', cell: (row) => <code>{row.intent_id ?? '–'}</code> },
  { key: 'status', title: 'Status', cell: (row) => <Badge status={row.status} /> },
  { key: 'since', title: 'Since', cell: (row) => <Instant at={row.updated_at} /> },
];

const refundColumns: Column<Attention['refunds'][number]>[] = [
  { key: 'booking', title: 'Booking', cell: (row) => bookingLink(row.booking_id) },
  {
    key: 'amount',
    title: 'Amount',
    numeric: true,
    cell: (row) => formatMoney(row.amount_minor, row.currency),
  },
  { key: 'status', title: 'Status', cell: (row) => <Badge status={row.status} /> },
  { key: 'error', title: 'Last error', cell: (row) => row.last_error ?? '–' },
  { key: 'since', title: 'Since', cell: (row) => <Instant at={row.created_at} /> },
];
