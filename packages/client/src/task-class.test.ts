import { limits } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { prepareTask } from './prepare.ts';

const classOf = (command: readonly string[], more: object = {}): string | undefined =>
  prepareTask({ kind: 'process', body: { command: [...command] }, ...more }).envelope.taskClass;

describe('the class of a task', () => {
  it('is its kind and program, wherever that lies, and nothing of its arguments', () => {
    expect(classOf(['/usr/bin/sort', '-u', '/data/17.txt'])).toBe('process sort');
    expect(classOf(['sort', '/data/18.txt'])).toBe('process sort');
  });

  it.each([
    [['python3', '/work/train.py', '--seed', '7'], 'process python3 train.py'],
    [['python3', '-u', 'train.py'], 'process python3 train.py'],
    [['python3', '-m', 'pytest', 'x'], 'process python3 pytest'],
    [['sh', '-c', 'echo 17'], 'process sh'],
    [['node', '-e', '17'], 'process node'],
    [['bash'], 'process bash'],
  ])('of an interpreter has the script, and no text of one: %j', (command, expected) => {
    expect(classOf(command)).toBe(expected);
  });

  it('of a container has its image, and of any task its labels in order', () => {
    const body = { image: 'app:1', command: ['/app/run'] };
    const { envelope } = prepareTask({ kind: 'container', body, labels: { stage: 'b', arm: 'a' } });
    expect(envelope.taskClass).toBe('container app:1 run {arm=a,stage=b}');
  });

  it('is not said where kind and image are all there is', () => {
    expect(prepareTask({ kind: 'noop' }).envelope).not.toHaveProperty('taskClass');
    const body = { image: 'app:1', command: [] };
    expect(prepareTask({ kind: 'container', body }).envelope).not.toHaveProperty('taskClass');
  });

  it('is what the caller says', () => {
    expect(classOf(['sort'], { taskClass: 'nightly' })).toBe('nightly');
    expect(() => classOf(['sort'], { taskClass: 'nächtlich' })).toThrow('task.taskClass');
    expect(() => classOf(['sort'], { taskClass: '' })).toThrow('task.taskClass');
  });

  it('is bounded and plain, whatever it is made of, and long ones differ', () => {
    const long = 'é'.repeat(limits.taskClassChars);
    const [one, other] = [classOf([`${long}1`]), classOf([`${long}2`])];
    expect(one).toMatch(/^[ -~]*$/);
    expect(one).toHaveLength(limits.taskClassChars);
    expect(one).not.toBe(other);
  });
});
