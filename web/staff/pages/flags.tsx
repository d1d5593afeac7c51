import { findFlag, resolveFlag, resendMessage } from '../queries/attention.ts';
import type { FlagListRow } from '../queries/lists.ts';
import { listStaffEvents, type StaffEventRow } from '../../../db/staff-events.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { confirmFirst, type Question } from '../confirm.tsx';
import { Page } from '../layout.tsx';
import { Badge, bookingLink, Card, Facts, Field, Instant, plain } from '../parts.tsx';
import { goTo, idOf, type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';
import { StaffHistory } from '../staff-history.tsx';

const noteCharsMax = 500;

/** A flag's page: what it is about, and the two ways to close it. */
export function flagPages({ db }: WebDeps): PanelRoute[] {
  async function load(request: PanelRequest): Promise<FlagListRow> {
    const flag = await findFlag(db, idOf(request));
    if (!flag) throw new Problem('not_found');
    return flag;
  }

  async function show(request: PanelRequest): Promise<void> {
    const flag = await load(request);
    const events = await listStaffEvents(db, 'flag', flag.id);
    respond(request.ctx, 200, <FlagPage request={request} flag={flag} events={events} />);
  }

  async function resolve(request: PanelRequest): Promise<void> {
    const flag = await load(request);
    const note = (request.form['note'] ?? '').trim().slice(0, noteCharsMax);
    await resolveFlag(db, request.staff.userId, flag.id, note);
    goTo(request.ctx, `/admin/flags/${flag.id}`, 'resolved');
  }

  async function resend(request: PanelRequest): Promise<void> {
    const flag = await load(request);
    const resent = flag.kind === 'message_dead' && (await resendMessage(db, request.staff.userId, flag));
    if (!resent) throw new Problem('not_found', { detail: 'This message has already been sent or deleted.' });
    goTo(request.ctx, `/admin/flags/${flag.id}`, 'resent');
  }

  return [
    { method: 'GET', path: '/flags/:id', serve: show },
    ...confirmFirst('/flags/:id/resolve', async (request) => resolveQuestion(await load(request)), resolve),
    ...confirmFirst('/flags/:id/send-again', async (request) => resendQuestion(await load(request)), resend),
  ];
}

function resolveQuestion({ id, kind, detail }: FlagListRow): Question {
  return {
    section: 'Flags',
    title: 'Resolve this flag?',
    back: `/admin/flags/${id}`,
    submit: 'Resolve',
    harmful: false,
    text: (
      <p>
        <strong>{plain(kind)}</strong>: {detail} It disappears from the overview
        {kind === 'message_dead'
          ? ', and the message is deleted unsent.'
          : ', and is raised again if it happens again. Nothing else changes.'}
      </p>
    ),
    fields: <Field name="note" label="What was done about it" value="" maxLength={noteCharsMax} />,
  };
}

function resendQuestion({ id, subject }: FlagListRow): Question {
  return {
    section: 'Flags',
    title: `Send message ${subject} again?`,
    back: `/admin/flags/${id}`,
    submit: 'Send again',
    harmful: false,
    text: <p>The message is sent to its workflow once more. Fix what made it fail first.</p>,
  };
}

function FlagPage({
  request,
  flag,
  events,
}: {
  request: PanelRequest;
  flag: FlagListRow;
  events: StaffEventRow[];
}) {
  const path = `/admin/flags/${flag.id}`;
  const actions = !flag.resolved_at && (
    <>
      {flag.kind === 'message_dead' && (
        <a class="button quiet" href={`${path}/send-again`}>
          Send again…
        </a>
      )}
      <a class="button" href={`${path}/resolve`}>
        Resolve…
      </a>
    </>
  );
  return (
    <Page request={request} section="Flags" title={`Flag: ${plain(flag.kind)}`} actions={actions}>
      <Card title="Details" id="about">
        <Facts
          of={[
            [
              'State',
              flag.resolved_at ? <Badge status="resolved" tone="calm" /> : <Badge status="open" tone="bad" />,
            ],
            ['Description', flag.detail],
            ['Subject', <code>{flag.subject}</code>],
            ['Booking', flag.booking_id ? bookingLink(flag.booking_id) : '–'],
            ['Raised', <Instant at={flag.created_at} />],
            ['Times', flag.occurrences],
            ['Last', <Instant at={flag.last_at} />],
          ]}
        />
      </Card>
      <StaffHistory events={events} />
    </Page>
  );
}
