import type { StaffEventRow } from '../../db/staff-events.ts';
import { Card, Instant, plain } from './parts.tsx';

/** What staff has done with a room, user or flag, newest first. */
export function StaffHistory({ events }: { events: StaffEventRow[] }) {
  return (
    <Card title="Staff activity" id="history">
      {events.length === 0 && <p class="empty">Nothing yet.</p>}
      <ol class="timeline">
        {events.map((event) => (
          <li key={event.id}>
            <Instant at={event.at} />
            <div>
              <strong>{plain(event.action)}</strong>
              <span class="by"> by {event.actor_email}</span>
              {event.detail && <p class="hint">{event.detail}</p>}
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
