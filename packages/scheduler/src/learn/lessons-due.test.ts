/** When what was learned is worth a line in the journal. */
import { expect, it } from 'vitest';
import { LessonsDue, type PartLevel } from './lessons-due.ts';

const minuteMs = 60_000;

class Lessons {
  readonly due = new LessonsDue(5);
  private readonly parts = new Map<string, readonly PartLevel[]>();

  learn(name: string, ...parts: PartLevel[]): void {
    this.due.note(name, () => this.of(name));
    this.parts.set(name, parts);
  }

  take(watch: number): readonly string[] {
    return this.due.take(watch, (name) => this.of(name));
  }

  private of(name: string): readonly PartLevel[] {
    return this.parts.get(name) ?? [];
  }
}

it('it is when enough is known of it, and then once a minute while it changes', () => {
  const lessons = new Lessons();
  lessons.learn('a', ['w-1', 4, 0]);
  expect(lessons.take(0)).toEqual([]);
  lessons.learn('a', ['w-1', 5, 0]);
  expect(lessons.take(1000)).toEqual(['a']);
  lessons.learn('a', ['w-1', 6, 1]);
  expect(lessons.take(2000)).toEqual([]);
  expect(lessons.take(1000 + minuteMs)).toEqual(['a']);
  expect(lessons.take(1000 + 3 * minuteMs)).toEqual([]);
});

it('it is not for less than a tenth, unless a part is new or known by twice as many', () => {
  const lessons = new Lessons();
  let watch = 0;
  const next = (...parts: PartLevel[]) => {
    lessons.learn('a', ...parts);
    watch += 2 * minuteMs;
    return lessons.take(watch).length;
  };
  expect(next(['w-1', 8, 1])).toBe(1);
  expect(next(['w-1', 9, 1.09])).toBe(0);
  expect(next(['w-1', 9, 1.1])).toBe(1);
  expect(next(['w-1', 15, 1.1], ['w-2', 1, 0])).toBe(1);
  expect(next(['w-1', 29, 1.1], ['w-2', 1, 0])).toBe(0);
  expect(next(['w-1', 30, 1.1], ['w-2', 1, 0])).toBe(1);
});

it('what was known before an epoch is not written again in it', () => {
  const lessons = new Lessons();
  lessons.learn('a', ['w-1', 50, 1]);
  const after = new LessonsDue(5);
  const known: PartLevel[] = [['w-1', 51, 1.01]];
  after.note('a', () => [['w-1', 50, 1]]);
  expect(after.take(0, () => known)).toEqual([]);
});

it('many at once have their turns', () => {
  const lessons = new Lessons();
  const names = Array.from({ length: 20 }, (_, nth) => `class ${nth}`);
  for (const name of names) lessons.learn(name, ['w-1', 5, 0]);
  const taken = [0, 1, 2, 3].map((watch) => lessons.take(watch));
  expect(Math.max(...taken.map(({ length }) => length))).toBeLessThan(names.length);
  expect(taken.flat().sort()).toEqual(names.sort());
});
