import { envelopeDefaults, type TaskDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import { taskJson, taskLines } from './task-view.ts';

const id = `sha256:${'1'.repeat(64)}`;
const digest = `sha256:${'2'.repeat(64)}`;
const name = 'busybox:latest';

const task: TaskDocument = {
  id: 't1',
  name: '',
  kind: 'container',
  state: 'succeeded',
  exitCode: 0,
  worker: '',
  workerName: '',
  devices: [],
  attempts: 1,
  queuedAt: 1,
  startedAt: 2,
  endedAt: 3,
  failure: null,
  cancelRequested: false,
  principal: 'p-1',
  envelope: { ...envelopeDefaults, kind: 'container', image: name },
  body: 'b' as never,
};

function lineOf(document: TaskDocument): string | undefined {
  return taskLines(document, 4, styleOf(false)).find((line) => line.startsWith('image'));
}

it('the image of a task is what it asked for, and what it ran of once that is known', () => {
  expect(taskJson(task).image).toEqual({ name });
  expect(taskJson({ ...task, image: { id, digest } }).image).toEqual({ name, id, digest });
  expect(lineOf(task)).toBe(`image      ${name}`);
  expect(lineOf({ ...task, image: { id } })).toBe(`image      ${name} (id ${id})`);
  expect(lineOf({ ...task, image: { id, digest } })).toBe(`image      ${name} (${digest}, id ${id})`);
});
