import type { Figure } from '../figure.ts';
import { backlog } from './backlog.ts';
import { bookings } from './bookings.ts';
import { holds } from './holds.ts';
import { intents } from './intents.ts';
import { lists } from './lists.ts';
import { lives } from './lives.ts';
import { memory } from './memory.ts';
import { poolers } from './poolers.ts';
import { reconciler } from './reconciler.ts';
import { soak } from './soak.ts';
import { stampede } from './stampede.ts';
import { webhooks } from './webhooks.ts';

/** In the order of the report. Neighbours that need the same service share it in `--short`. */
export const figures: readonly Figure[] = [
  lists,
  bookings,
  webhooks,
  poolers,
  stampede,
  intents,
  lives,
  backlog,
  memory,
  holds,
  reconciler,
  soak,
];
