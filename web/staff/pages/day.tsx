import { Temporal } from 'temporal-polyfill';
import { readDay, usualTimeZone } from '../queries/rooms.ts';
import { Problem } from '../../../domain/problems.ts';
import { formatTimeOfDay, localDate, slotStatuses } from '../../../domain/slots.ts';
import type { WebDeps } from '../../deps.ts';
import { date as dateSchema } from '../../../http/schemas.ts';
import { type DayGrid, type Lane, layOutDay, type Stretch } from '../day-lanes.ts';
import { Page } from '../layout.tsx';
import { shortTime } from '../parts.tsx';
import { type PanelRoute, respond, type PanelRequest } from '../panel-request.ts';

const roomsAtOnce = 25;
const pagesMax = 250;
/** The width that the shortest slot needs for its text. With half-hour slots a usual day fits on a screen. */
const slotPixels = 36;
const hourPixels = { min: 72, max: 288 };
const headPixels = 140;

/** A calendar of all rooms on one day, each in its own time zone. */
export function dayPages({ db }: WebDeps): PanelRoute[] {
  return [
    {
      method: 'GET',
      path: '/day',
      async serve(request) {
        const now = new Date();
        const today = localDate(now, await usualTimeZone(db));
        const date = dateOf(request, today);
        const page = pageOf(request);
        const { rooms, more, bookings } = await readDay(db, date, {
          limit: roomsAtOnce,
          offset: (page - 1) * roomsAtOnce,
        });
        const whole = request.ctx.query['hours'] === 'all';
        const grid = layOutDay(rooms, bookings, { date, now, whole });
        respond(request.ctx, 200, <Day {...{ request, date, today, page, more, grid, whole }} />);
      },
    },
  ];
}

function dateOf({ ctx }: PanelRequest, today: string): string {
  const text = ctx.query['date'];
  if (text === undefined || text === '') return today;
  const parsed = dateSchema.safeParse(text);
  if (!parsed.success) throw new Problem('invalid_request', { detail: 'Enter a date as YYYY-MM-DD.' });
  return parsed.data;
}

function pageOf({ ctx }: PanelRequest): number {
  const text = ctx.query['page'] ?? '1';
  const page = typeof text === 'string' && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(page <= pagesMax)) throw new Problem('invalid_request', { detail: 'This page does not exist.' });
  return page;
}

interface Props {
  request: PanelRequest;
  date: string;
  today: string;
  page: number;
  more: boolean;
  whole: boolean;
  grid: DayGrid;
}

function Day({ request, date, today, page, more, whole, grid }: Props) {
  const hours = whole ? '&hours=all' : '';
  const day = Temporal.PlainDate.from(date);
  const weekday = day.toLocaleString('en', { weekday: 'long' });
  const dayAway = (days: number) => `/admin/day?date=${day.add({ days }).toString()}${hours}`;
  return (
    <Page request={request} section="Day" title={`${weekday}, ${date}`}>
      <div class="daybar">
        <nav aria-label="Days" class="buttons">
          <a class="button quiet" href={dayAway(-1)}>
            ← Previous day
          </a>
          <a class="button quiet" href={`/admin/day?date=${today}${hours}`}>
            Today
          </a>
          <a class="button quiet" href={dayAway(1)}>
            Next day →
          </a>
        </nav>
        <form method="get" action="/admin/day" class="buttons">
          <label for="date">Date</label>
          <input id="date" name="date" type="date" value={date} required />
          {whole && <input type="hidden" name="hours" value="all" />}
          <button type="submit">Show</button>
          <a href={`/admin/day?date=${date}&page=${page}${whole ? '' : '&hours=all'}`}>
            {whole ? 'Usual hours' : 'Whole day'}
          </a>
        </form>
        <ul class="legend" aria-label="Colour key">
          {slotStatuses.map((kind) => (
            <li key={kind}>
              <span class={`swatch ${kind}`} aria-hidden="true" />
              {kind}
            </li>
          ))}
        </ul>
      </div>
      {grid.lanes.length === 0 ? <p class="card empty">No rooms yet.</p> : <Grid date={date} grid={grid} />}
      <nav class="paging" aria-label="Pages">
        {page > 1 && <a href={`/admin/day?date=${date}&page=${page - 1}${hours}`}>← Previous rooms</a>}
        {more && <a href={`/admin/day?date=${date}&page=${page + 1}${hours}`}>More rooms →</a>}
      </nav>
    </Page>
  );
}

function Grid({ date, grid }: { date: string; grid: DayGrid }) {
  const { fromMinute, toMinute, unitMinutes } = grid;
  const hours = (toMinute - fromMinute) / 60;
  // Widths are attributes, because the page's policy allows no inline styles.
  const hourWidth = hourPixelsOf(grid);
  const width = { width: headPixels + hours * hourWidth };
  const unitWidth = { width: (hourWidth * unitMinutes) / 60 };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <div class="scroll lanes" tabIndex={0} role="region" aria-label="Calendar of the day (scrolls sideways)">
      <table class="lanes" {...width}>
        <caption class="unseen">
          All rooms on {date}, each in its own time zone. Slots and bookings end just before the time given.
        </caption>
        <colgroup>
          <col {...{ width: headPixels }} />
          <col span={(toMinute - fromMinute) / unitMinutes} {...unitWidth} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Room</th>
            {Array.from({ length: hours }, (_, hour) => (
              <th key={hour} scope="col" colSpan={60 / unitMinutes} class="hour">
                {shortTime(formatTimeOfDay(fromMinute + hour * 60))}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {grid.lanes.map((lane) => (
            <LaneRow key={lane.room.id} lane={lane} unitMinutes={unitMinutes} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function hourPixelsOf({ lanes }: DayGrid): number {
  const shortest = Math.min(...lanes.map(({ room }) => room.slot_duration_minutes));
  return Math.min(hourPixels.max, Math.max(hourPixels.min, (slotPixels * 60) / shortest));
}

function LaneRow({ lane, unitMinutes }: { lane: Lane; unitMinutes: number }) {
  return (
    <tr>
      <th scope="row">
        <a href={`/admin/rooms/${lane.room.id}`}>{lane.room.name}</a>
        <span class="hint">{lane.room.time_zone}</span>
      </th>
      {lane.stretches.map((stretch) => (
        <td
          key={stretch.startMinute}
          colSpan={(stretch.endMinute - stretch.startMinute) / unitMinutes}
          class={stretch.kind}
        >
          <StretchText stretch={stretch} />
        </td>
      ))}
    </tr>
  );
}

function StretchText({ stretch }: { stretch: Stretch }) {
  const { booking, kind } = stretch;
  const from = shortTime(formatTimeOfDay(stretch.startMinute));
  const to = shortTime(formatTimeOfDay(stretch.endMinute));
  if (!booking) {
    return (
      <>
        {kind}
        <span class="unseen">{` ${from} to ${to}`}</span>
      </>
    );
  }
  const word =
    booking.status === 'pending' ? 'Held' : booking.status === 'completed' ? 'Completed' : 'Booked';
  return (
    <a class="stretch" href={`/admin/bookings/${booking.id}`} title={`${from}–${to} ${booking.user_email}`}>
      <span class="kind">{word}</span>
      <span class="name">
        {from}–{to}
      </span>
      <span class="name">{booking.user_email}</span>
    </a>
  );
}
