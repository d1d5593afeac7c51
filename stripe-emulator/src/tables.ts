import { openJournal, type Change, type Journal } from './journal.ts';
import type { Charge, Dispute, PaymentIntent, PaymentMethod, Refund, StripeEvent } from './types.ts';

/** Rows by id in the order of their creation. A row changed in place counts once it is saved again. */
export interface Table<T extends { id: string }> {
  get(id: string): T | undefined;
  save(row: T): void;
  remove(id: string): void;
  /** Oldest first. The array belongs to the table: do not change it. */
  list(): readonly T[];
  readonly size: number;
}

/** The first answer to a request with an Idempotency-Key; its id is the key. */
export interface SavedAnswer {
  id: string;
  path: string;
  fingerprint: string;
  requestId: string;
  status: number;
  body: string;
  savedAtMs: number;
}

/** One copy of an event that the webhook endpoint has not accepted yet. */
export interface PendingDelivery {
  id: string;
  eventId: string;
  attempts: number;
  firstAtMs: number;
  nextAtMs: number;
}

/** What the emulator knows of a PaymentIntent and Stripe's object does not say. */
export interface Note {
  id: string;
  succeededAtMs?: number;
  canceledAtMs?: number;
  /** The next cancel finds this PaymentIntent paid a moment before. */
  payOnCancel?: boolean;
  /** Stripe's "rare cases" in which a processing PaymentIntent can be cancelled. */
  cancelableWhileProcessing?: boolean;
}

export interface Tables {
  paymentIntents: Table<PaymentIntent>;
  paymentMethods: Table<PaymentMethod>;
  charges: Table<Charge>;
  refunds: Table<Refund>;
  disputes: Table<Dispute>;
  events: Table<StripeEvent>;
  answers: Table<SavedAnswer>;
  deliveries: Table<PendingDelivery>;
  notes: Table<Note>;
  /** Resolves when every change so far would survive a SIGKILL. */
  commit(): Promise<void>;
  /** Removes every row. */
  clear(): void;
  close(): Promise<void>;
}

/** Opens the state; without a file it lives in memory only. */
export async function openTables(file: string | undefined): Promise<Tables> {
  // Loading goes straight into the maps; the journal exists only after that.
  const later: { journal?: Journal } = {};
  const maps = new Map<string, Map<string, { id: string }>>();
  const clears: (() => void)[] = [];

  function table<T extends { id: string }>(kind: string): Table<T> {
    const rows = new Map<string, T>();
    let listed: T[] | undefined;
    maps.set(kind, rows);
    const remove = (id: string) => {
      if (!rows.delete(id)) return;
      listed = undefined;
      later.journal?.put(kind, id, null);
    };
    clears.push(() => {
      for (const id of [...rows.keys()]) remove(id);
    });
    return {
      get: (id) => rows.get(id),
      save(row) {
        if (rows.get(row.id) !== row) listed = undefined;
        rows.set(row.id, row);
        later.journal?.put(kind, row.id, row);
      },
      remove,
      list() {
        listed ??= [...rows.values()];
        return listed;
      },
      get size() {
        return rows.size;
      },
    };
  }

  const tables = {
    paymentIntents: table<PaymentIntent>('pi'),
    paymentMethods: table<PaymentMethod>('pm'),
    charges: table<Charge>('ch'),
    refunds: table<Refund>('re'),
    disputes: table<Dispute>('du'),
    events: table<StripeEvent>('evt'),
    answers: table<SavedAnswer>('answer'),
    deliveries: table<PendingDelivery>('delivery'),
    notes: table<Note>('note'),
  };

  function load([kind, id, row]: Change): void {
    const rows = maps.get(kind);
    if (row === null) rows?.delete(id);
    else rows?.set(id, row as { id: string });
  }

  function* dump(): Iterable<Change> {
    for (const [kind, rows] of maps) {
      for (const [id, row] of rows) yield [kind, id, row];
    }
  }

  const opened = await openJournal(file, load, dump);
  later.journal = opened;
  return {
    ...tables,
    commit: () => opened.commit(),
    close: () => opened.close(),
    clear() {
      for (const clear of clears) clear();
    },
  };
}
