import type { Command, Step } from './commands.ts';
import { type Room, mustBe } from './room-actions.ts';

interface Known {
  id: number;
  intentId?: string;
}

/**
 * Plays the commands of each step at the same time. Their order is unknown, so an answer must be one that some order
 * allows; the invariants check the final state of the room.
 * @throws on an answer that no order allows
 */
export async function playParallel(room: Room, steps: readonly Step[]): Promise<void> {
  const bookings: Known[] = [];

  async function perform(command: Command): Promise<void> {
    if (command.do === 'expire') return void (await room.expire());
    if (command.do === 'book') {
      const { status, body } = await room.book(command);
      expectOneOf(`booking`, status, body.code, ['201', '409 slot_taken']);
      if (status === 201) bookings.push({ id: body.id });
      return;
    }
    const booking = bookings[bookings.length - 1 - (command.nth % bookings.length)];
    if (!booking) return;
    if (command.do === 'cancel') {
      const { status, body } = await room.cancel(booking.id);
      return expectOneOf('cancelling', status, body.code, [
        '200',
        '409 not_cancellable',
        '503 workflow_unavailable',
      ]);
    }
    if (command.do === 'open_intent' || command.do === 'pay' || command.do === 'fail') {
      const { status, body } = await room.openIntent(booking.id);
      expectOneOf('a PaymentIntent', status, body.code, ['201', '400 already_paid', '409 hold_expired']);
      if (status === 201) booking.intentId = body.payment_intent_id;
    }
    const { intentId } = booking;
    if (!intentId) return;
    if (command.do === 'pay') await room.pay(intentId);
    if (command.do === 'fail') await room.fail(intentId);
    if (command.do === 'pay_late') await room.payLate(intentId);
    if (command.do === 'repeat_webhooks') await room.repeatWebhooks(intentId, command.order);
    if (command.do === 'false_webhook') await room.falseWebhook(intentId);
  }

  for (const [at, step] of steps.entries()) {
    const played = await Promise.allSettled(step.map(perform));
    const failed = played.find((one) => one.status === 'rejected');
    if (failed)
      throw new Error(`step ${at + 1}, ${JSON.stringify(step)}: ${(failed.reason as Error).message}`);
  }
}

function expectOneOf(what: string, status: number, code: string | undefined, allowed: string[]): void {
  const answer = `${status} ${status < 400 ? '' : (code ?? '')}`.trim();
  mustBe(allowed.includes(answer), `${what} was answered ${answer}`);
}
