/** Services as people and programs are shown them. */
import { envelopeDefaults, type TaskDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import { addressWords, taskJson, taskLines, taskTable } from './task-view.ts';

const plain = styleOf(false);
const task: TaskDocument = {
  id: 't1',
  name: '',
  kind: 'container',
  state: 'running',
  exitCode: null,
  worker: 'w-1',
  workerName: 'forge',
  devices: [],
  attempts: 2,
  queuedAt: 1000,
  startedAt: 2000,
  endedAt: 0,
  failure: null,
  cancelRequested: false,
  principal: 'p-1',
  envelope: { ...envelopeDefaults, kind: 'container', restart: 'always' },
  body: '' as never,
};
const service: TaskDocument = {
  ...task,
  addresses: [
    { name: 'web', port: 80, protocol: 'tcp', address: '127.0.0.1:49153' },
    { name: '', port: 53, protocol: 'udp', address: 'forge:5353' },
  ],
  health: { state: 'healthy', words: '/ok answered 500' },
};

it('a service has its addresses and its health', () => {
  const words = 'web 127.0.0.1:49153, forge:5353/udp';
  expect(addressWords(service.addresses ?? [])).toBe(words);
  const page = taskLines(service, 3000, plain).join('\n');
  for (const line of [
    `addresses  ${words}`,
    'health     healthy (/ok answered 500)',
    'tries      2 (restart: always)',
  ])
    expect(page).toContain(line);
  const { addresses, health } = service;
  expect(taskJson(service)).toMatchObject({ addresses, health });
});

it('a list has a column of addresses where any task has one', () => {
  const [titles, first, second] = taskTable([service, task], 3000, plain, 200);
  expect(titles).toMatch(/RAN +ADDRESS +WHY$/);
  expect(first).toContain('web 127.0.0.1:49153, forge:5353/udp');
  expect(second).toMatch(/ 1 s +-$/);
  expect(taskTable([task], 3000, plain, 200)[0]).not.toContain('ADDRESS');
});

it('any other task has neither', () => {
  expect(taskLines(task, 3000, plain).join('\n')).not.toMatch(/addresses|health/);
  expect(Object.keys(taskJson(task))).not.toContain('addresses');
  expect(Object.keys(taskJson(task))).not.toContain('health');
});

it('what a task says of itself does not move the cursor', () => {
  const words = taskLines({ ...service, health: { state: 'unhealthy', words: '\u001b[2J' } }, 3000, plain);
  expect(words.join('\n')).toContain('unhealthy (\\u{1b}[2J)');
});
