import type { Db } from './knex.ts';

/** Demo rooms, so that the first call has something to book. */
const demoRooms = [
  {
    name: 'Conference Room A',
    description: 'Large conference room with a view of the square',
    price_minor: 5_000,
    capacity: 10,
    amenities: ['WiFi', 'Projector', 'Whiteboard'],
    opening_time: '09:00',
    closing_time: '18:00',
  },
  {
    name: 'Studio B',
    description: 'Quiet studio for calls and recordings',
    price_minor: 3_500,
    capacity: 4,
    amenities: ['WiFi', 'Microphone'],
    opening_time: '08:00',
    closing_time: '22:00',
  },
  {
    name: 'Workshop C',
    description: 'Room for workshops, open around the clock',
    price_minor: 2_000,
    capacity: 25,
    amenities: ['WiFi', 'Flip chart', 'Kitchen'],
    opening_time: '00:00',
    closing_time: '24:00',
  },
];

/** The accounts that the README names. They exist in debug only. */
export const demoAccounts = [
  { email: 'longtran20014@gmail.com', isStaff: false },
  { email: 'admin@gmail.com', isStaff: true },
];
export const demoPassword = '123456Long';
/** Its argon2id hash. The password is public, so its salt may be as well. */
const demoPasswordHash =
  '$argon2id$v=19$m=19456,t=2,p=1$g+h19UcI8VbtOWnTCHDb8Q$SCsmnMZHPcCq5c9U23uBZ8ZqOhBwn/RooBA2z28GxB0';

/** Whether this is one of the demo accounts with its public password. */
export function isDemoLogin({ email, password }: { email: string; password: string }): boolean {
  return password === demoPassword && demoAccounts.some((account) => account.email === email);
}

/** Inserts the demo rooms, and with `accounts` the demo accounts. Existing rows stay as they are. */
export async function seed(db: Db, options: { accounts: boolean }): Promise<void> {
  for (const room of demoRooms) {
    const row = { ...room, currency: 'usd', time_zone: 'UTC' };
    await db('rooms').insert(row).onConflict('name').ignore();
  }
  if (!options.accounts) return;
  for (const { email, isStaff } of demoAccounts) {
    await db('users')
      .insert({ email, password_hash: demoPasswordHash, is_staff: isStaff, is_superuser: isStaff })
      .onConflict('email')
      .ignore();
  }
}
