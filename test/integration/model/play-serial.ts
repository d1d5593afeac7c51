import type { Command, Step } from './commands.ts';
import { type Room, mustBe } from './room-actions.ts';
import { createRoomModel, isActive, type ModelBooking, type RoomModel } from './room-model.ts';

const isOverdue = ({ status, deadline }: ModelBooking) => status === 'pending' && Date.now() >= deadline;

/**
 * Plays commands one after the other and compares the service with the model after each: what it answers, and what
 * has become of every booking and of its money. By itself only one thing happens: a hold ends after its deadline.
 * @throws when the service does what must not be
 */
export async function playSerial(room: Room, steps: readonly Step[]): Promise<void> {
  const model = createRoomModel();
  for (const [at, command] of steps.flat().entries()) {
    try {
      await perform(room, model, command);
      await compare(room, model);
    } catch (error) {
      throw new Error(`command ${at + 1}, ${JSON.stringify(command)}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

async function compare(room: Room, model: RoomModel): Promise<void> {
  const real = new Map((await room.read()).map((row) => [row.id, row]));
  mustBe(
    real.size === model.bookings.length,
    `there are ${real.size} bookings, not ${model.bookings.length}`,
  );
  for (const booking of model.bookings) {
    const { status, refunded } = real.get(booking.id) ?? {};
    if (status === 'expired' && isOverdue(booking)) model.expire(booking);
    mustBe(status === booking.status, `booking ${booking.id} is ${status}, not ${booking.status}`);
    mustBe(!refunded || booking.money === 'returned', `booking ${booking.id} was refunded without a reason`);
  }
}

async function perform(room: Room, model: RoomModel, command: Command): Promise<void> {
  if (command.do === 'book') return book(room, model, command);
  if (command.do === 'expire') return void (await room.expire());
  const booking = model.nth(command.nth);
  if (!booking) return;
  if (command.do === 'cancel') return cancel(room, model, booking);
  if (command.do === 'pay_late') return payLate(room, model, booking);
  if (command.do === 'repeat_webhooks')
    return booking.intentId ? room.repeatWebhooks(booking.intentId, command.order) : undefined;
  if (command.do === 'false_webhook') {
    if (booking.intentId && booking.money === 'none') await room.falseWebhook(booking.intentId);
    return;
  }
  const intentId = await openIntent(room, booking);
  if (intentId && command.do === 'pay') await pay(room, model, booking, intentId);
  if (intentId && command.do === 'fail') await room.fail(intentId);
}

async function book(room: Room, model: RoomModel, range: { from: number; to: number }): Promise<void> {
  const blocking = model.inTheWay(range);
  const { status, body } = await room.book(range);
  mustBe(status === 201 || body.code === 'slot_taken', `booking was answered ${status} ${body.code}`);
  if (status === 409) return mustBe(blocking.length > 0, 'a free slot was called taken');
  for (const booking of blocking) {
    mustBe(isOverdue(booking), `a slot was given away that booking ${booking.id} holds`);
    model.expire(booking);
  }
  model.book({ id: body.id, ...range, deadline: Date.parse(body.hold_expires_at) });
}

async function openIntent(room: Room, booking: ModelBooking): Promise<string | undefined> {
  const { status, body } = await room.openIntent(booking.id);
  const answer = `${status} ${body.code ?? ''}`;
  if (status === 201) {
    mustBe(booking.status === 'pending', `a ${booking.status} booking was given a PaymentIntent`);
    booking.intentId = body.payment_intent_id;
    return booking.intentId;
  }
  const refusal = booking.status === 'confirmed' ? 'already_paid' : 'hold_expired';
  mustBe(body.code === refusal, `the PaymentIntent of a ${booking.status} booking was answered ${answer}`);
  mustBe(booking.status !== 'pending' || isOverdue(booking), `a live hold was answered ${answer}`);
  return undefined;
}

async function pay(room: Room, model: RoomModel, booking: ModelBooking, intentId: string): Promise<void> {
  if (!(await room.pay(intentId)))
    return mustBe(isOverdue(booking), 'the PaymentIntent of a live hold could not be paid');
  model.pay(booking);
  await agree(room, booking);
}

/** Waits until the service is where the model is. */
const agree = (room: Room, { id, status, money }: ModelBooking) =>
  room.agree(id, status, money === 'returned');

async function payLate(room: Room, model: RoomModel, booking: ModelBooking): Promise<void> {
  const { intentId } = booking;
  // A hold that ends between this check and the payment would be compared with the wrong rule.
  if (!intentId || isActive(booking) || booking.money !== 'none') return;
  if (model.bookings.some(isOverdueSoon)) await room.expire();
  await compare(room, model);
  if (!(await room.payLate(intentId))) return;
  model.pay(booking);
  await agree(room, booking);
}

/** Too close to its deadline to say on which side of it something happens. */
function isOverdueSoon({ status, deadline }: ModelBooking): boolean {
  return status === 'pending' && Date.now() > deadline - 2_000;
}

async function cancel(room: Room, model: RoomModel, booking: ModelBooking): Promise<void> {
  let answer = await room.cancel(booking.id);
  // The worker is slow, not away: asking again is what the answer says.
  for (let tries = 1; answer.status === 503 && tries < 8; tries++) answer = await room.cancel(booking.id);
  const { status, body } = answer;
  const description = `cancelling a ${booking.status} booking was answered ${status} ${body.code ?? ''}`;
  if (status === 409) return mustBe(booking.status === 'expired' || isOverdue(booking), description);
  mustBe(status === 200 && booking.status !== 'expired', description);
  mustBe(body.status === 'cancelled', `a cancelled booking is shown as ${body.status}`);
  model.cancel(booking);
  await agree(room, booking);
}
