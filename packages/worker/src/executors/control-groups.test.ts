/** On a machine that is played by a folder: what the kernel would do with what is written there, it does not. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endGroups, findControlGroups } from './control-groups.ts';
import { ControlGroup } from './process-control-group.ts';

const unit = '/system.slice/gryphgen-worker.service';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gg-groups-'));
  put('usr/bin/perl');
  put('proc/self/mountinfo', '36 25 0:31 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n');
});
afterEach(() => rmSync(root, { recursive: true }));

const groupsFolder = (path: string): string => join(root, 'sys/fs/cgroup', path);

function put(path: string, text = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** A control group with these controllers. */
function group(path: string, controllers = ''): void {
  for (const [file, text] of [
    ['cgroup.procs', ''],
    ['cgroup.kill', ''],
    ['cgroup.controllers', `${controllers}\n`],
    ['cgroup.subtree_control', ''],
  ] as const)
    put(join('sys/fs/cgroup', path, file), text);
}

const livesIn = (path: string): void => put('proc/self/cgroup', `0::${path}\n`);
const find = () => findControlGroups('gryphgen-1', root);

describe('control groups', () => {
  it('lie beside the subgroup in which systemd has the worker, with all that is lent', () => {
    livesIn(`${unit}/worker`);
    for (const path of [unit, `${unit}/worker`, `${unit}/gryphgen-1`]) group(path, 'cpu memory pids');
    expect(find()).toEqual({
      folder: groupsFolder(`${unit}/gryphgen-1`),
      controllers: ['cpu', 'memory', 'pids'],
      lack: null,
    });
    const handedOn = readFileSync(groupsFolder(`${unit}/cgroup.subtree_control`), 'utf8');
    expect(handedOn).toBe('+pids');
  });

  it('end processes where nothing is lent, and say what they do not hold them to', () => {
    livesIn(unit);
    group(unit, 'memory');
    group(`${unit}/gryphgen-1`);
    const { folder, controllers, lack } = find();
    expect([folder, controllers]).toEqual([groupsFolder(`${unit}/gryphgen-1`), []]);
    expect(lack).toContain(
      'what a process task takes in all is not limited (CPUs, memory, processes): the control group',
    );
  });

  it.each([
    [
      'without version 2',
      () => put('proc/self/mountinfo', '36 25 0:31 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n'),
    ],
    ['of an old kernel', () => rmSync(groupsFolder(`${unit}/gryphgen-1/cgroup.kill`))],
    ['without perl', () => rmSync(join(root, 'usr/bin/perl'))],
  ])('are not there on a machine %s', (_name, change) => {
    livesIn(unit);
    group(unit, 'cpu memory pids');
    group(`${unit}/gryphgen-1`, 'cpu memory pids');
    change();
    const { folder, lack } = find();
    expect(folder).toBeNull();
    expect(lack).toContain('what a process task takes in all is not limited (CPUs, memory, processes): ');
  });

  it('of attempts that nobody runs are ended', () => {
    group('w/1.2.3');
    group('w/1.2.4');
    const groups = { folder: groupsFolder('w'), controllers: [], lack: null };
    endGroups(groups, (key) => key === '1.2.4');
    expect(readFileSync(groupsFolder('w/1.2.3/cgroup.kill'), 'utf8')).toBe('1');
    expect(readFileSync(groupsFolder('w/1.2.4/cgroup.kill'), 'utf8')).toBe('');
  });
});

describe('the control group of an attempt', () => {
  it('is held to what was ordered before anything enters it', () => {
    group('w/1.2.3');
    const folder = groupsFolder('w/1.2.3');
    const settings = [
      ['memory.max', '1048576'],
      ['memory.swap.max', '0'],
      ['cpu.max', '50000 100000'],
    ] as const;
    const made = ControlGroup.make({ folder, settings });
    expect(readFileSync(join(folder, 'memory.max'), 'utf8')).toBe('1048576');
    expect(readFileSync(join(folder, 'cpu.max'), 'utf8')).toBe('50000 100000');
    const line = made.enter(['/bin/program', 'an argument']);
    expect([line[0], ...line.slice(-3)]).toEqual([
      '/usr/bin/perl',
      join(folder, 'cgroup.procs'),
      '/bin/program',
      'an argument',
    ]);
  });

  it('tells whether the kernel killed for want of memory', () => {
    group('w/1.2.3');
    const folder = groupsFolder('w/1.2.3');
    const made = ControlGroup.make({ folder, settings: [] });
    expect(made.wasOutOfMemory).toBe(false);
    writeFileSync(join(folder, 'memory.events'), 'low 0\nhigh 0\nmax 7\noom 1\noom_kill 0\n');
    expect(made.wasOutOfMemory).toBe(false);
    writeFileSync(join(folder, 'memory.events'), 'low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n');
    expect(made.wasOutOfMemory).toBe(true);
  });
});
