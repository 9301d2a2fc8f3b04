/** The scheduler's seeded numbers, as the grid's own code takes random ones. */
import type { Random } from '@gryphgen/runtime';
import { SeededRandom } from '@gryphgen/scheduler';

export { SeededRandom };

export function randomPort(random: SeededRandom): Random {
  return { bytes: (count) => Buffer.from(random.hex(2 * count), 'hex'), number: () => random.next() };
}
