import type { ComponentChildren } from 'preact';
import { outboxLaggingMs } from '../../../domain/limits.ts';
import { type Attention, attentionMax, readAttention } from '../queries/attention.ts';
import type { WebDeps } from '../../deps.ts';
import { Page } from '../layout.tsx';
import { Badge, bookingLink, Card, formatAge, formatMoney, Instant, plain, Table } from '../parts.tsx';
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
      {flags.length > 0 && <Flags flags={flags} />}
      {overdue.length > 0 && <Overdue holds={overdue} />}
      {payments.length > 0 && <Payments payments={payments} />}
      {refunds.length > 0 && <Refunds refunds={refunds} />}
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

function Flags({ flags }: { flags: Attention['flags'] }) {
  return (
    <Card title="Open flags" id="flags">
      <Table
        caption="Open flags"
        rows={flags.slice(0, attentionMax)}
        columns={[
          {
            key: 'kind',
            title: 'Flag',
            cell: (row) => <a href={`/admin/flags/${row.id}`}>{plain(row.kind)}</a>,
          },
          { key: 'detail', title: 'Description', cell: (row) => row.detail },
          {
            key: 'booking',
            title: 'Booking',
            cell: (row) => (row.booking_id ? bookingLink(row.booking_id) : '–'),
          },
          { key: 'at', title: 'Raised', cell: (row) => <Instant at={row.created_at} /> },
        ]}
      />
      {flags.length > attentionMax && <a href="/admin/flags?state=open">All open flags</a>}
    </Card>
  );
}

function Overdue({ holds }: { holds: Attention['overdue'] }) {
  return (
    <Card title="Overdue holds" id="overdue">
      <Table
        caption="Overdue holds"
        rows={holds.slice(0, attentionMax)}
        columns={[
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
        ]}
      />
    </Card>
  );
}

function Payments({ payments }: { payments: Attention['payments'] }) {
  return (
    <Card title="Stuck payments" id="payments">
      <Table
        caption="Stuck payments"
        rows={payments.slice(0, attentionMax)}
        columns={[
          { key: 'booking', title: 'Booking', cell: (row) => bookingLink(row.booking_id) },
          { key: 'intent', title: 'PaymentIntent', cell: (row) => <code>{row.intent_id ?? '–'}</code> },
          { key: 'status', title: 'Status', cell: (row) => <Badge status={row.status} /> },
          { key: 'since', title: 'Since', cell: (row) => <Instant at={row.updated_at} /> },
        ]}
      />
    </Card>
  );
}

function Refunds({ refunds }: { refunds: Attention['refunds'] }) {
  return (
    <Card title="Slow refunds" id="refunds">
      <Table
        caption="Slow refunds"
        rows={refunds.slice(0, attentionMax)}
        columns={[
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
        ]}
      />
    </Card>
  );
}
