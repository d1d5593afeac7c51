import { isDebug } from '../config.ts';
import { demoAccounts, demoPassword } from '../db/seed.ts';
import type { System } from './services.ts';
import type { StartSettings } from './settings.ts';

const guestEmail = demoAccounts.find(({ isStaff }) => !isStaff)?.email;
const staffEmail = demoAccounts.find(({ isStaff }) => isStaff)?.email;
const daysTriedMax = 7;
const dayMs = 86_400_000;

interface Slot {
  date: string;
  start: string;
  end: string;
}

/** The text that `npm start` ends with: addresses, accounts, and commands that work when pasted in order. */
export async function describeSystem(system: System, settings: StartSettings): Promise<string> {
  const { apiUrl, env } = system;
  const rows: [string, string][] = [
    ['API', apiUrl],
    ['API documentation', `${apiUrl}/docs`],
    ['Staff panel', `${apiUrl}/admin`],
    ['Temporal UI', system.temporalUiUrl ?? `the one of ${env.TEMPORAL_ADDRESS}`],
  ];
  if (!settings.external.postgres) {
    // The command line does not know our passwords, and only the owner may migrate.
    rows.push(['Database', `${env.DATABASE_URL}`], ['Database owner', `${env.MIGRATE_DATABASE_URL}`]);
  }
  if (isDebug(env)) {
    rows.push(['Accounts', `${guestEmail}, and for staff ${staffEmail}; password ${demoPassword}`]);
  }
  if (env.STRIPE_SECRET_KEY?.includes('_test_')) {
    rows.push(['Test cards', '4242 4242 4242 4242 pays, 4000 0000 0000 9995 is declined']);
  }
  rows.push(['Logs', `${settings.dataDir}/logs`]);
  const table = rows.map(([name, value]) => `  ${name.padEnd(18)} ${value}`).join('\n');
  const curls = exampleCommands(system, !settings.external.stripe, await findFreeSlot(apiUrl));
  return `\n${table}\n\n${curls}\n\nCtrl-C stops everything; the data stays in ${settings.dataDir}\n`;
}

function exampleCommands({ apiUrl, env }: System, emulated: boolean, slot: Slot): string {
  const json = `-H 'content-type: application/json'`;
  const pick = (field: string) => `node -p 'JSON.parse(fs.readFileSync(0)).${field}'`;
  const auth = `-H "authorization: Bearer $TOKEN" ${json}`;
  const times = `"booking_date":"${slot.date}","start_time":"${slot.start}","end_time":"${slot.end}"`;
  const lines = [
    'Log in, book room 1, and ask for its payment:',
    '',
    `  TOKEN=$(curl -s ${apiUrl}/api/login/ ${json} -d '{"email":"${guestEmail}","password":"${demoPassword}"}' | ${pick('access')})`,
    `  BOOKING=$(curl -s ${apiUrl}/api/bookings/ ${auth} -d '{"room_id":1,${times},"guest_count":2}' | tee -a /dev/stderr | ${pick('id')})`,
    `  INTENT=$(curl -s ${apiUrl}/api/payment-intent/ ${auth} -d "{\\"booking_id\\":$BOOKING}" | tee -a /dev/stderr | ${pick('payment_intent_id')})`,
  ];
  if (emulated) {
    lines.push(
      '',
      'Pay it with a test card, as a browser would; the booking is confirmed a moment later:',
      '',
      `  curl -s ${env.STRIPE_API_BASE}/v1/payment_intents/$INTENT/confirm -u ${env.STRIPE_SECRET_KEY}: -d payment_method=pm_card_visa -o /dev/null`,
      `  sleep 2; curl -s ${apiUrl}/api/bookings/$BOOKING/ -H "authorization: Bearer $TOKEN"; echo`,
    );
  }
  return lines.join('\n');
}

/** The first slot of room 1 that is free from 10:00 on, tomorrow or on a day after. */
async function findFreeSlot(apiUrl: string): Promise<Slot> {
  for (let day = 1; day <= daysTriedMax; day++) {
    const date = new Date(Date.now() + day * dayMs).toISOString().slice(0, 10);
    const slot = await freeSlotOn(apiUrl, date);
    if (slot) return slot;
  }
  const date = new Date(Date.now() + dayMs).toISOString().slice(0, 10);
  return { date, start: '10:00', end: '11:00' };
}

async function freeSlotOn(apiUrl: string, date: string): Promise<Slot | undefined> {
  try {
    const response = await fetch(`${apiUrl}/api/rooms/1/availability/?date=${date}`);
    const body = (await response.json()) as {
      slots: { start_time: string; end_time: string; status: string }[];
    };
    const free = body.slots.find((slot) => slot.status === 'free' && slot.start_time >= '10:00');
    return free && { date, start: free.start_time, end: free.end_time };
  } catch {
    return undefined; // Only the example depends on it.
  }
}
