import { defineConfig } from 'vitest/config';

/**
 * Five projects, run one after the other (groupOrder), since they share two cores. Each starts only what it needs:
 * `vitest run --project unit` starts nothing.
 */
export default defineConfig({
  test: {
    // Services are stopped in an orderly way after the last test, and by their watchdog if this process is killed.
    teardownTimeout: 30_000,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
          // Some start processes: seconds on a machine that is busy with other things.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'stripe-emulator',
          include: ['stripe-emulator/test/**/*.test.ts'],
          sequence: { groupOrder: 0 },
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'workflow',
          include: ['test/workflow/**/*.test.ts'],
          globalSetup: ['test/setup/workflow.ts'],
          sequence: { groupOrder: 1 },
          // The time-skipping server has one clock: one environment at a time.
          maxWorkers: 1,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/setup/integration.ts'],
          sequence: { groupOrder: 2 },
          maxWorkers: 2,
          testTimeout: 40_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          sequence: { groupOrder: 3 },
          maxWorkers: 1,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
