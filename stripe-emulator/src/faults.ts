/**
 * 503, 429: refused before anything happened, nothing saved, worth a retry.
 * 401, 403: the key is refused, wrong or without the right; nothing happened, nothing is saved.
 * 500: execution began and failed without effect; the answer is saved under the Idempotency-Key.
 * 500_after_effect: the same, but the effect is there.
 * drop_before, drop_after_effect: the connection breaks before, or after, the request was executed.
 * timeout, timeout_after_effect: no answer ever comes; the client has to give up.
 */
const faultKinds = [
  '503',
  '429',
  '401',
  '403',
  '500',
  '500_after_effect',
  'drop_before',
  'drop_after_effect',
  'timeout',
  'timeout_after_effect',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  kind: FaultKind;
  /** How many matching requests it strikes; 1 unless given. Retries of the client count. */
  count?: number;
  /** How likely it strikes each matching request, 0 to 1; always unless given. */
  probability?: number;
  /** `path` is the source of a regular expression for the path, e.g. `/v1/refunds$`. */
  match?: { method?: string; path?: string };
}

/** When in the life of a request a kind strikes. */
const stageOf = {
  '503': 'arrival',
  '429': 'arrival',
  '401': 'arrival',
  '403': 'arrival',
  '500': 'execution',
  '500_after_effect': 'execution',
  drop_before: 'arrival',
  drop_after_effect: 'answer',
  timeout: 'arrival',
  timeout_after_effect: 'answer',
} as const;
type FaultStage = (typeof stageOf)[FaultKind];

/** The faults that are planned, struck in the order in which they were given. */
export function createFaults() {
  let planned: { fault: Fault; left: number; path: RegExp }[] = [];

  return {
    plan(fault: Fault): void {
      if (!faultKinds.includes(fault.kind)) throw new Error(`Unknown kind of fault: ${fault.kind}`);
      planned.push({ fault, left: fault.count ?? 1, path: new RegExp(fault.match?.path ?? '') });
    },
    clear(): void {
      planned = [];
    },
    /** The fault that strikes this request now, counted off; nothing for most requests. */
    strike(stage: FaultStage, method: string, path: string): FaultKind | undefined {
      if (planned.length === 0) return undefined;
      const hit = planned.find(
        (each) =>
          stageOf[each.fault.kind] === stage &&
          (each.fault.match?.method ?? method) === method &&
          each.path.test(path) &&
          Math.random() < (each.fault.probability ?? 1),
      );
      if (!hit) return undefined;
      hit.left -= 1;
      if (hit.left <= 0) planned = planned.filter((each) => each !== hit);
      return hit.fault.kind;
    },
  };
}

export type Faults = ReturnType<typeof createFaults>;
