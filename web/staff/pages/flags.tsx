import { findFlag, resolveFlag, reviveMessage } from '../queries/attention.ts';
import type { FlagListRow } from '../queries/lists.ts';
import { listStaffEvents, type StaffEventRow } from '../../../db/staff-events.ts';
import { Problem } from '../../../domain/problems.ts';
import type { WebDeps } from '../../deps.ts';
import { Confirm } from '../confirm.tsx';
import { Page } from '../layout.tsx';
import { Badge, bookingLink, Card, Facts, Field, Instant, plain } from '../parts.tsx';
import { goTo, idOf, type PanelRoute, respond, type Visit } from '../visit.ts';
import { StaffTrail } from './user.tsx';

const noteCharsMax = 500;

/** A flag's page: what it is about, and the two ways to be done with it. */
export function flagPages({ db }: WebDeps): PanelRoute[] {
  async function load(visit: Visit): Promise<FlagListRow> {
    const flag = await findFlag(db, idOf(visit));
    if (!flag) throw new Problem('not_found');
    return flag;
  }

  async function show(visit: Visit): Promise<void> {
    const flag = await load(visit);
    const events = await listStaffEvents(db, 'flag', flag.id);
    respond(visit.ctx, 200, <FlagPage visit={visit} flag={flag} events={events} />);
  }

  async function askResolve(visit: Visit): Promise<void> {
    const { id, kind, detail } = await load(visit);
    const question = {
      section: 'Flags' as const,
      title: 'Resolve this flag?',
      action: `/admin/flags/${id}/resolve`,
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
    respond(visit.ctx, 200, <Confirm visit={visit} question={question} />);
  }

  async function resolve(visit: Visit): Promise<void> {
    const flag = await load(visit);
    const note = (visit.form['note'] ?? '').trim().slice(0, noteCharsMax);
    await resolveFlag(db, visit.staff.userId, flag.id, note);
    goTo(visit.ctx, `/admin/flags/${flag.id}`, 'resolved');
  }

  async function askRevive(visit: Visit): Promise<void> {
    const { id, subject } = await load(visit);
    const question = {
      section: 'Flags' as const,
      title: `Send message ${subject} again?`,
      action: `/admin/flags/${id}/send-again`,
      back: `/admin/flags/${id}`,
      submit: 'Send again',
      harmful: false,
      text: <p>The message goes to the workflows once more. Do this after its cause is repaired.</p>,
    };
    respond(visit.ctx, 200, <Confirm visit={visit} question={question} />);
  }

  async function revive(visit: Visit): Promise<void> {
    const flag = await load(visit);
    const revived = flag.kind === 'message_dead' && (await reviveMessage(db, visit.staff.userId, flag));
    if (!revived) throw new Problem('not_found', { detail: 'This message is not set aside any more.' });
    goTo(visit.ctx, `/admin/flags/${flag.id}`, 'revived');
  }

  return [
    { method: 'GET', path: '/flags/:id', serve: show },
    { method: 'GET', path: '/flags/:id/resolve', serve: askResolve },
    { method: 'POST', path: '/flags/:id/resolve', serve: resolve },
    { method: 'GET', path: '/flags/:id/send-again', serve: askRevive },
    { method: 'POST', path: '/flags/:id/send-again', serve: revive },
  ];
}

function FlagPage({ visit, flag, events }: { visit: Visit; flag: FlagListRow; events: StaffEventRow[] }) {
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
    <Page visit={visit} section="Flags" title={`Flag: ${plain(flag.kind)}`} actions={actions}>
      <Card title="What it is about" id="about">
        <Facts
          of={[
            [
              'State',
              flag.resolved_at ? <Badge status="resolved" tone="calm" /> : <Badge status="open" tone="bad" />,
            ],
            ['What', flag.detail],
            ['Subject', <code>{flag.subject}</code>],
            ['Booking', flag.booking_id ? bookingLink(flag.booking_id) : '–'],
            ['Raised', <Instant at={flag.created_at} />],
            ['Times', flag.occurrences],
            ['Last', <Instant at={flag.last_at} />],
          ]}
        />
      </Card>
      <StaffTrail events={events} />
    </Page>
  );
}
