/** How much is measured. Short: only that everything still works. */
export interface Sizes {
  rounds: number;
  sliceMs: number;
  /** Of load on end, with Temporal. */
  sustainedMs: number;
  clients: number[];
  /** Where the chart looks, as shares of the throughput at the most clients. */
  loads: number[];
  stampede: { clients: number; times: number };
  webhooksPerSlice: number;
  intentsPerSlice: number;
  listRows: number[];
  lives: number;
  holds: { count: number; spreadMs: number; holdMinutes: number };
  backlog: number;
  openWorkflows: number;
  reconciler: { payments: number; openBookings: number };
  soak: { forMs: number; sampleMs: number };
  /** The whole run ends here, whatever it is doing. */
  limitMs: number;
}

const minute = 60_000;

export const sizesOf = {
  short: {
    rounds: 1,
    sliceMs: 120,
    sustainedMs: 300,
    clients: [8],
    loads: [0.3],
    stampede: { clients: 50, times: 1 },
    webhooksPerSlice: 40,
    intentsPerSlice: 24,
    listRows: [1_000, 2_000],
    lives: 10,
    holds: { count: 20, spreadMs: 500, holdMinutes: 0.05 },
    backlog: 60,
    openWorkflows: 40,
    reconciler: { payments: 4_000, openBookings: 1_200 },
    soak: { forMs: 1_500, sampleMs: 100 },
    limitMs: 8 * minute,
  },
  usual: {
    rounds: 3,
    sliceMs: 3_000,
    sustainedMs: 30_000,
    clients: [1, 8, 32],
    loads: [0.1, 0.25, 0.5, 0.7, 0.85],
    stampede: { clients: 200, times: 10 },
    webhooksPerSlice: 4_000,
    intentsPerSlice: 600,
    listRows: [10_000, 100_000, 1_000_000],
    lives: 300,
    holds: { count: 2_000, spreadMs: 10_000, holdMinutes: 1 },
    backlog: 5_000,
    openWorkflows: 10_000,
    reconciler: { payments: 1_000_000, openBookings: 300_000 },
    soak: { forMs: 20 * minute, sampleMs: 5_000 },
    limitMs: 60 * minute,
  },
  full: {
    rounds: 6,
    sliceMs: 5_000,
    sustainedMs: 60_000,
    clients: [1, 8, 16, 32],
    loads: [0.1, 0.25, 0.5, 0.7, 0.85],
    stampede: { clients: 200, times: 30 },
    webhooksPerSlice: 8_000,
    intentsPerSlice: 2_000,
    listRows: [10_000, 100_000, 1_000_000],
    lives: 1_000,
    holds: { count: 2_000, spreadMs: 10_000, holdMinutes: 1 },
    backlog: 5_000,
    openWorkflows: 10_000,
    reconciler: { payments: 1_000_000, openBookings: 300_000 },
    soak: { forMs: 20 * minute, sampleMs: 5_000 },
    limitMs: 120 * minute,
  },
} satisfies Record<string, Sizes>;
