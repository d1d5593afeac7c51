import type { BookingDetailRow } from '../../../db/bookings.ts';
import {
  type BookingPaymentRow,
  type BookingRefundRow,
  refundableMinor,
  type TimelineRow,
} from '../queries/booking-page.ts';
import { refundWorkflowId } from '../../../domain/workflow-ids.ts';
import { Page } from '../layout.tsx';
import { Badge, Card, Facts, formatAge, formatMoney, Instant, plain, shortTime } from '../parts.tsx';
import type { PanelRequest } from '../panel-request.ts';

interface Props {
  request: PanelRequest;
  booking: BookingDetailRow;
  payments: BookingPaymentRow[];
  timeline: TimelineRow[];
  /** Undefined without `TEMPORAL_UI_URL`. */
  workflowUrl: (workflowId: string) => string | undefined;
}

/** Everything that staff needs to know about a booking. */
export function BookingPage({ request, booking, payments, timeline, workflowUrl }: Props) {
  return (
    <Page
      request={request}
      section="Bookings"
      title={`Booking #${booking.id}`}
      actions={<Actions booking={booking} />}
    >
      <div class="columns">
        <Booking booking={booking} />
        <Owner booking={booking} url={workflowUrl(booking.workflow_id)} />
      </div>
      <Card title="Payments" id="payments">
        {payments.length === 0 && <p class="empty">No payment yet.</p>}
        {payments.map((payment) => (
          <Payment key={payment.id} booking={booking} payment={payment} workflowUrl={workflowUrl} />
        ))}
      </Card>
      <Card title="Timeline" id="timeline">
        <ol class="timeline">
          {timeline.map((entry, index) => (
            <Entry key={index} entry={entry} />
          ))}
        </ol>
      </Card>
    </Page>
  );
}

export const isOverdue = (booking: BookingDetailRow) =>
  booking.status === 'pending' && booking.hold_seconds_left <= 0;

function Actions({ booking }: { booking: BookingDetailRow }) {
  const open = booking.status === 'pending' || booking.status === 'confirmed';
  return (
    <>
      {isOverdue(booking) && (
        <a class="button" href={`/admin/bookings/${booking.id}/settle`}>
          Settle now…
        </a>
      )}
      {open && (
        <a class="button danger" href={`/admin/bookings/${booking.id}/cancel`}>
          Cancel…
        </a>
      )}
    </>
  );
}

function Booking({ booking }: { booking: BookingDetailRow }) {
  const held = booking.status === 'pending';
  const left = booking.hold_seconds_left * 1000;
  return (
    <Card title="Booking" id="booking">
      <Facts
        of={[
          ['Status', <Badge status={booking.status} />],
          ['Payment', <Badge status={booking.payment_status} />],
          ...(held
            ? [['Hold', left > 0 ? `${formatAge(left)} left` : `overdue for ${formatAge(-left)}`] as const]
            : []),
          ['Room', <a href={`/admin/rooms/${booking.room_id}`}>{booking.room_name}</a>],
          [
            'When',
            <>
              <a href={`/admin/day?date=${booking.booking_date}`}>{booking.booking_date}</a>{' '}
              {shortTime(booking.start_time)}–{shortTime(booking.end_time)} ({booking.time_zone})
            </>,
          ],
          ['Starts', <Instant at={booking.starts_at} />],
          ['Guests', booking.guest_count],
          [
            'Price',
            `${formatMoney(booking.amount_minor, booking.currency)} for ${booking.number_of_slots} slots`,
          ],
          ['Special requests', booking.special_requests ?? '–'],
        ]}
      />
    </Card>
  );
}

function Owner({ booking, url }: { booking: BookingDetailRow; url: string | undefined }) {
  return (
    <Card title="Customer and workflow" id="owner">
      <Facts
        of={[
          ['Customer', <a href={`/admin/users/${booking.user_id}`}>{booking.user_email}</a>],
          ['Their bookings', <a href={`/admin/bookings?user=${booking.user_id}`}>Show all</a>],
          ['Created', <Instant at={booking.created_at} />],
          ['Reference', <code>{booking.ref}</code>],
          ['Workflow', <WorkflowLink id={booking.workflow_id} url={url} />],
        ]}
      />
    </Card>
  );
}

function WorkflowLink({ id, url }: { id: string; url: string | undefined }) {
  if (!url) return <code>{id}</code>;
  return (
    <a href={url} rel="noopener noreferrer">
      <code>{id}</code> in Temporal
    </a>
  );
}

interface PaymentProps {
  booking: BookingDetailRow;
  payment: BookingPaymentRow;
  workflowUrl: Props['workflowUrl'];
}

function Payment({ booking, payment, workflowUrl }: PaymentProps) {
  const refundedMinor = payment.refunds.reduce(
    (sum, refund) => sum + (refund.status === 'succeeded' ? refund.amount_minor : 0),
    0,
  );
  return (
    <div class="payment">
      <Facts
        of={[
          ['Attempt', `${payment.attempt}${payment.confirms ? ' (confirms the booking)' : ''}`],
          ['Status', <Badge status={payment.status} />],
          ['PaymentIntent', <code>{payment.intent_id ?? 'not created yet'}</code>],
          [
            'Amount',
            `${formatMoney(payment.amount_minor, payment.currency)}, received ${formatMoney(payment.amount_received_minor, payment.currency)}`,
          ],
          ...(payment.decision ? [['Decision', payment.decision] as const] : []),
          ...(payment.declines > 0 ? [['Declined', `${payment.declines} times`] as const] : []),
          ['Created', <Instant at={payment.created_at} />],
          ...(refundedMinor > 0 ? [['Refunded', formatMoney(refundedMinor, payment.currency)] as const] : []),
          ...payment.refunds.map(
            (refund) => ['Refund', <Refund {...{ booking, payment, refund, workflowUrl }} />] as const,
          ),
          ...payment.disputes.map(
            ({ id, status, amount_minor }) =>
              [
                'Dispute',
                <>
                  <Badge status={status} /> {formatMoney(amount_minor, payment.currency)} <code>{id}</code>
                </>,
              ] as const,
          ),
        ]}
      />
      {refundableMinor(booking.status, payment) > 0 && (
        <a class="button quiet" href={`/admin/bookings/${booking.id}/payments/${payment.id}/refund`}>
          Refund without cancelling…
        </a>
      )}
    </div>
  );
}

/** Whether staff may send the refund again. What Stripe is processing, or has sent, is never sent twice. */
const isRetryable = ({ status, retried_by }: BookingRefundRow) =>
  status === 'pending' ||
  status === 'refused' ||
  status === 'parked' ||
  (status === 'failed' && retried_by === null);

function Refund({ booking, payment, refund, workflowUrl }: PaymentProps & { refund: BookingRefundRow }) {
  const workflowId = refundWorkflowId(refund.ref);
  const madeAtStripe = refund.reason.startsWith('stripe:');
  return (
    <>
      <Badge status={refund.status} /> {formatMoney(refund.amount_minor, payment.currency)} (
      {madeAtStripe ? 'made at Stripe' : refund.reason.split(':')[0]}){' '}
      {refund.stripe_refund_id && <code>{refund.stripe_refund_id}</code>}{' '}
      {!madeAtStripe && <WorkflowLink id={workflowId} url={workflowUrl(workflowId)} />}
      {refund.last_error && <p class="error">{refund.last_error}</p>}
      {isRetryable(refund) && (
        <a class="button quiet" href={`/admin/bookings/${booking.id}/refunds/${refund.id}/retry`}>
          Retry refund…
        </a>
      )}
    </>
  );
}

function Entry({ entry }: { entry: TimelineRow }) {
  const { from_status, to_status } = entry;
  return (
    <li>
      <Instant at={entry.at} />
      <div>
        {to_status && (
          <>
            {from_status && (
              <>
                <Badge status={from_status} /> →{' '}
              </>
            )}
            <Badge status={to_status} />{' '}
          </>
        )}
        <strong>{plain(entry.cause)}</strong>
        <span class="by"> by {nameOf(entry)}</span>
        {entry.detail && <p class="hint">{entry.detail}</p>}
      </div>
    </li>
  );
}

/** The actor with its e-mail, or the name of a part of the service. */
function nameOf({ actor, actor_email }: TimelineRow): string {
  if (!actor_email) return actor;
  return `${actor.startsWith('staff:') ? 'staff' : 'customer'} ${actor_email}`;
}
