import { condition, defineSignal, setHandler, sleep } from '@temporalio/workflow';

export const goSignal = defineSignal('go');

/** The smallest workflow that a booking could be: start, one signal, return. */
export async function smallest(): Promise<void> {
  let gone = false;
  setHandler(goSignal, () => {
    gone = true;
  });
  await condition(() => gone);
}

/** Waits until an instant (epoch milliseconds) and returns how late it woke, in milliseconds. */
export async function timer(untilMs: number): Promise<number> {
  await sleep(Math.max(1, untilMs - Date.now()));
  return Date.now() - untilMs;
}
