import { once } from 'node:events';
import { start } from 'node:repl';
import { rows } from '../db/knex.ts';
import * as models from '../db/models.ts';
import { runCommand, withDatabase } from './command.ts';

const help = `
npm run shell

A REPL with the database: \`db\` (Knex), the models (User, Room, Booking, Payment,
Refund, BookingEvent) and \`sql\`. For example:

  await Booking.query(db).where('status', 'pending').limit(5)
  await sql('select status, count(*) from bookings group by 1')

Changes made here bypass the workflows: only read, and use the panel to cancel and
refund. Needs DATABASE_URL (environment or .env).
`;

await runCommand({
  help,
  options: {},
  async run() {
    await withDatabase(async (db) => {
      const { User, Room, Booking, Payment, Refund, BookingEvent } = models;
      const repl = start({ prompt: 'booking> ' });
      const sql = (text: string, values: unknown[] = []) => rows(db, text, values);
      Object.assign(repl.context, { db, sql, User, Room, Booking, Payment, Refund, BookingEvent });
      await once(repl, 'exit');
    });
  },
});
