/** What people see: tables that fit, times and sizes in words, colours only where asked for. */
import { envelopeDefaults, type TaskDocument } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import { explainJson, explainLines } from './explain-view.ts';
import { node } from './node.fixture.ts';
import { nodeJson, nodeLines, nodeTable } from './node-view.ts';
import { table, widthOf } from './table.ts';
import { taskJson, taskLines, taskTable } from './task-view.ts';

const plain = styleOf(false);
const colored = styleOf(true);
const now = Date.UTC(2026, 10, 21, 12, 0, 0);
const GiB = 1024 ** 3;

const task: TaskDocument = {
  id: 't42',
  name: 'train',
  kind: 'container',
  state: 'failed',
  exitCode: 137,
  worker: 'w-1',
  workerName: 'forge',
  devices: [{ uuid: 'GPU-1' as never, vramBytes: 5 * GiB, whole: false }],
  attempts: 2,
  queuedAt: now - 90_000,
  startedAt: now - 60_000,
  endedAt: now - 1000,
  failure: { code: 'execution.oom', message: 'the container ran out of its 1 GiB of memory' },
  cancelRequested: false,
  principal: 'p-1',
  envelope: {
    ...envelopeDefaults,
    kind: 'container',
    image: 'busybox:latest',
    resources: {
      cpuMilli: 1500,
      memoryBytes: GiB,
      diskBytes: 0,
      gpu: { kind: 'part', vramBytes: 5 * GiB, minComputeCapability: 61 },
    },
  },
  body: 'b' as never,
};

const hostile = '\u001b[2Jevil\nt1 succeeded\u202e';

describe('what somebody else wrote', () => {
  it('does not reach the terminal as it is', () => {
    const poisoned: TaskDocument = {
      ...task,
      name: hostile,
      failure: { code: 'execution.exit', message: hostile },
      envelope: { ...task.envelope, labels: { [hostile]: hostile }, image: hostile },
    };
    const report = node.report === null ? null : { ...node.report, labels: { a: hostile } };
    const lines = [
      ...taskTable([poisoned], now, plain, Number.POSITIVE_INFINITY),
      ...taskLines(poisoned, now, plain),
      ...nodeTable([{ ...node, name: hostile, report }], plain, Number.POSITIVE_INFINITY),
      ...nodeLines({ ...node, name: hostile, report }, plain, Number.POSITIVE_INFINITY),
    ];
    expect(lines.filter((line) => line.includes('evil')).length).toBeGreaterThan(5);
    expect(lines.filter((line) => /[\p{Cc}\u202e]/u.test(line))).toEqual([]);
  });
});

describe('a table', () => {
  const columns = [
    { title: 'NAME', value: ({ name }: { name: string; n: number }) => name },
    { title: 'N', value: ({ n }: { name: string; n: number }) => String(n), right: true },
  ];
  it('aligns, and counts no colours', () => {
    const rows = [
      { name: colored.red('a'), n: 1 },
      { name: 'long', n: 100 },
    ];
    const lines = table(rows, columns, 80);
    expect(lines.map(widthOf)).toEqual([9, 9, 9]);
    expect(lines[1]).toBe(`${colored.red('a')}       1`);
  });

  it('gives wide letters their two columns, and accents none', () => {
    expect(widthOf('日本')).toBe(4);
    expect(widthOf('e\u0301a')).toBe(2);
    const lines = table(
      [
        { name: '日本', n: 1 },
        { name: 'japan', n: 2 },
      ],
      [
        { title: 'NAME', value: ({ name }) => name },
        { title: 'N', value: ({ n }) => String(n) },
      ],
      100,
    );
    expect(lines).toEqual(['NAME   N', '日本   1', 'japan  2']);
    const [, cut = ''] = table([{ name: '日本日本日本' }], [{ title: 'A', value: ({ name }) => name }], 8);
    expect(cut).toBe('日本日…');
    expect(widthOf(cut)).toBeLessThanOrEqual(8);
  });

  it('is cut at the edge of the terminal, without half a colour', () => {
    const lines = table([{ name: colored.red('x'.repeat(50)), n: 1 }], columns, 10);
    expect(lines[1]).toBe(colored.red(`${'x'.repeat(9)}…`));
  });
});

describe('a task', () => {
  it('is the contract’s document', () => {
    expect(taskJson(task)).toMatchObject({
      id: 't42',
      state: 'failed',
      exitCode: 137,
      worker: 'w-1',
      devices: ['GPU-1'],
      attempts: 2,
      queuedAt: '2026-11-21T11:58:30.000Z',
      failure: { code: 'execution.oom' },
    });
    const waiting = {
      ...task,
      state: 'waiting',
      worker: '',
      startedAt: 0,
      endedAt: 0,
      failure: null,
    } as const;
    expect(taskJson(waiting)).toMatchObject({ worker: null, startedAt: null, endedAt: null });
    expect(taskJson(waiting)).not.toHaveProperty('failure');
  });

  it('is a line and a page for people', () => {
    expect(taskTable([task], now, plain, 200)[1]).toMatch(
      /^t42 +train +container +failed +forge +2 +1 m 30 s +59 s +the container ran out/,
    );
    const page = taskLines(task, now, plain).join('\n');
    expect(page).toContain(
      'asks for   1.5 CPU, 1 GiB memory, 5 GiB VRAM of one GPU, compute capability ≥ 6.1',
    );
    expect(page).toContain('failure    the container ran out of its 1 GiB of memory (execution.oom)');
    expect(page).not.toContain('labels');
  });
});

describe('a node', () => {
  it('is a document with the ledger of each device', () => {
    expect(nodeJson(node)).toMatchObject({
      cpuMilli: 32_000,
      devices: [
        { uuid: 'GPU-1', computeCapability: '6.1', vramBytes: 6_358_564_864, reservedBytes: 5 * GiB },
      ],
      reserved: { attempts: 1 },
    });
  });

  it('shows exact sizes of cards', () => {
    expect(nodeTable([node], plain, 200)[1]).toContain('1.5 / 32  1 GiB / 128 GiB');
    expect(nodeLines(node, plain, 200).join('\n')).toContain('6064 MiB');
  });

  it('says what the machine is made of, how its cards are, who else holds them, and what is wrong', () => {
    const { report } = node;
    const [card] = report?.devices ?? [];
    if (!report || !card) throw new Error('the node has a card');
    const foreign = [{ pid: 77, name: 'Xorg', vramBytes: GiB / 2 }];
    const full = {
      ...report,
      devices: [{ ...card, temperatureC: 61, powerW: 119.6, clockMHz: 1708, foreignBytes: GiB / 2, foreign }],
      hardware: {
        cpu: { model: 'AMD Ryzen 9 5950X', cores: 16, threads: 32, cacheBytes: 64 * 1024 ** 2 },
        swapBytes: 0,
        system: 'Ubuntu 24.04, Linux 6.8.0, x64',
        disks: [{ name: 'nvme0n1', kind: 'SSD', sizeBytes: 1024 * GiB }],
        networks: [{ name: 'eno1', mbitPerS: 1000 }],
        engines: ['docker 28.2.2'],
      },
      troubles: ['NVIDIA GeForce RTX 3060 (GPU-2) fell off: it was there before'],
    };
    const page = nodeLines({ ...node, report: full }, plain, 200).join('\n');
    for (const words of [
      'AMD Ryzen 9 5950X, 16 cores, 32 threads, 64 MiB cache',
      'nvme0n1 SSD 1 TiB',
      'eno1 1000 Mbit/s',
      '61 °C  120 W  1708 MHz',
      'GeForce GTX 1060 6GB: Xorg (pid 77) holds 512 MiB outside the grid',
      'trouble: NVIDIA GeForce RTX 3060 (GPU-2) fell off',
    ])
      expect(page).toContain(words);
    expect(nodeJson({ ...node, report: full })).toMatchObject({
      hardware: { engines: ['docker 28.2.2'] },
      troubles: [expect.stringContaining('fell off')],
      devices: [{ temperatureC: 61, foreign }],
    });
  });

  it('says what presses on it, since when, and what that keeps away', () => {
    const { report } = node;
    const [card] = report?.devices ?? [];
    if (!report || !card) throw new Error('the node has a card');
    const pressed = {
      ...report,
      capabilities: ['container', 'process'],
      devices: [{ ...card, pressure: { name: 'hot', forMs: 5000, words: '92 C' } }],
      pressures: [
        { name: 'low memory', forMs: 61_000, words: '0 B available', stops: ['container', 'process'] },
        { name: 'stuck engine', forMs: 900, words: 'no answer', stops: ['container'] },
        { name: 'clock jump', forMs: 2000, words: 'forward', stops: [] },
      ],
    };
    const document = { ...node, report: pressed };
    expect(nodeTable([document], plain, 200)[1]).toContain(
      'ready, low memory, stuck engine, hot GeForce GTX 1060 6GB ',
    );
    expect(nodeLines(document, plain, 200).slice(-4)).toEqual([
      'low memory since 1 m 1 s: 0 B available (nothing new)',
      'stuck engine since 900 ms: no answer (nothing new of container)',
      'clock jump since 2 s: forward (stops nothing)',
      'GeForce GTX 1060 6GB is hot since 5 s: 92 C (nothing new on it)',
    ]);
    expect(nodeJson(document)).toMatchObject({
      pressures: pressed.pressures,
      devices: [{ pressure: { name: 'hot' } }],
    });
  });

  it('that is to be drained says when, and each window with what becomes of what still runs', () => {
    const soon = { id: 'a', at: now + 3600_000, until: 0, begun: false };
    const begun = { id: 'b', at: now, until: now + 7200_000, deadlineMs: 600_000, begun: true };
    const planned = { ...node, windows: [begun, soon] };
    expect(nodeTable([planned], plain, 200)[1]).toContain('ready, to be drained at 2026-11-21T13:00:00Z ');
    expect(nodeLines(planned, plain, 200).filter((line) => line.startsWith('drain'))).toEqual([
      'drain    since 2026-11-21T12:00:00Z, until 2026-11-21T14:00:00Z, what still runs is stopped 10 m 0 s after its begin',
      'drain    planned for 2026-11-21T13:00:00Z, until it is resumed',
    ]);
    expect(nodeJson(planned).windows).toEqual([
      { at: '2026-11-21T12:00:00Z', until: '2026-11-21T14:00:00Z', deadlineMs: 600_000, begun: true },
      { at: '2026-11-21T13:00:00Z', until: null, deadlineMs: null, begun: false },
    ]);
    expect(nodeJson(node).windows).toEqual([]);
  });

  it('that drains says until when, and what runs there; one that is away, too', () => {
    const draining = { ...node, state: 'draining', drain: { until: now } } as const;
    expect(nodeTable([draining], plain, 200)[1]).toContain('draining until 2026-11-21T12:00:00Z, 1 running ');
    const away = { ...draining, state: 'away', drain: { until: 0 } } as const;
    expect(nodeLines(away, plain, 200).join('\n')).toMatch(/^state +away, draining, 1 running$/m);
    expect([draining, away, node].map(nodeJson)).toMatchObject([
      { draining: true, drainUntil: '2026-11-21T12:00:00Z' },
      { draining: true, drainUntil: null },
      { draining: false, drainUntil: null },
    ]);
    // As an older broker tells it.
    expect(nodeJson({ ...node, state: 'draining' })).toMatchObject({ draining: true, drainUntil: null });
  });

  it('that has not reported yet says so by what is not there', () => {
    const silent = { ...node, report: null, state: 'away' } as const;
    expect(nodeJson(silent)).toMatchObject({ cpuMilli: null, devices: [] });
    expect(nodeTable([silent], plain, 200)[1]).toMatch(/forge +w-1 +away +- +-/);
    expect(nodeLines(silent, plain, 200).join('\n')).toContain('away');
  });
});

describe('a decision', () => {
  const document = {
    id: 't42',
    state: 'waiting',
    when: 'now',
    decision: 'waiting: 1 of 2 workers may take it later',
    workers: [
      { worker: 'w-2', name: 'anvil', feasible: true, scores: { fit: 0.5, load: 1 }, total: 0.75 },
      { worker: 'w-1', name: 'forge', feasible: false, reasons: ['memory: 4 GiB asked, 1 GiB free'] },
    ],
  } as const;

  it('shows scores of those that can, and reasons of those that cannot', () => {
    expect(explainLines(document, plain, 120)).toEqual([
      't42 waiting: 1 of 2 workers may take it later',
      '',
      'WORKER       TOTAL   FIT  LOAD',
      'anvil (w-2)  0.750  0.50  1.00',
      '',
      'forge (w-1) cannot take it now:',
      '  - memory: 4 GiB asked, 1 GiB free',
    ]);
  });

  it('of a dry run has no task', () => {
    expect(explainJson({ ...document, id: '' })).not.toHaveProperty('id');
    expect(explainLines({ ...document, id: '' }, plain, 120)[0]).toBe(document.decision);
  });
});
