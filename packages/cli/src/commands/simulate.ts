/** `grid simulate`: a trace's tasks placed on a trace's nodes, by this grid's placement or by published policies. */
import { writeFile } from 'node:fs/promises';
import { type PolicyName, policyNames, type ReplayResult, replay, type TraceTask } from '@gryphgen/scheduler';
import type { Command } from 'commander';
import { Option } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import type { CommonFlags } from '../settings.ts';
import type { Value } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';

interface SimulateFlags extends CommonFlags {
  readonly nodes: string;
  readonly tasks: string;
  readonly ratio: number;
  readonly seed: number;
  readonly policy: PolicyName;
  readonly assignments?: string;
}

const maxRatio = 10;

const ratio: Value<number> = {
  expected: `a number above 0, at most ${maxRatio}, such as 1.3`,
  parse: (text) => {
    const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : 0;
    return value > 0 && value <= maxRatio ? value : undefined;
  },
};
const seed: Value<number> = {
  expected: 'a whole number from 0 to 4294967295',
  parse: (text) => (/^[0-9]{1,10}$/.test(text) && Number(text) < 2 ** 32 ? Number(text) : undefined),
};

export function simulateCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    "Place a trace's tasks on a trace's nodes, one by one as they arrive, and say how much of the GPUs they took. Needs no grid.";
  const command = gridCommand(
    'simulate',
    summary,
    'simulate --nodes nodes.csv --tasks tasks.csv --seed 42',
    'simulate --nodes nodes.csv --tasks tasks.csv --policy fgd --assignments placed.csv --json',
  )
    .requiredOption('--nodes <file>', 'CSV: sn, cpu_milli, memory_mib, gpu, model')
    .requiredOption('--tasks <file>', 'CSV: name, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec')
    .addOption(
      flagOf('--ratio <number>', 'how much is asked for in all, of all GPUs there are', ratio).default(1.3),
    )
    .addOption(flagOf('--seed <number>', 'of the order of arrival', seed).default(42))
    .addOption(
      new Option('--policy <name>', 'who places: "default" is this grid itself')
        .choices(policyNames)
        .default('default'),
    )
    .option('--assignments <file>', 'CSV to write: task, arrival, node, gpu_indices, gpu_milli');
  return runs<SimulateFlags>(command, invocation, async (flags) => {
    // Imported here: no other command should wait for it.
    const { readNodes, readTasks } = await import('../traces/read-trace.ts');
    const nodes = readNodes(flags.nodes);
    const tasks = readTasks(flags.tasks);
    for (const [file, { unknown }] of [[flags.nodes, nodes] as const, [flags.tasks, tasks] as const])
      if (unknown.length > 0) terminal.err(`${file}: says nothing here: ${unknown.join(', ')}\n`);
    const lines: string[] = ['task,arrival,node,gpu_indices,gpu_milli'];
    const note = (arrival: number, task: TraceTask, choice?: { node: number; gpus: readonly number[] }) =>
      lines.push(assignmentLine(arrival, task, choice && nodes.rows[choice.node]?.name, choice?.gpus ?? []));
    const { policy, assignments } = flags;
    const found = placeAll({
      ...{ nodes: nodes.rows, tasks: tasks.rows, policy, ratio: flags.ratio, seed: flags.seed },
      ...(assignments === undefined ? {} : { onArrival: note }),
    });
    if (assignments !== undefined) await writeFile(assignments, `${lines.join('\n')}\n`);
    const about = { policy, seed: flags.seed, ratio: flags.ratio, nodes: nodes.rows.length, ...found };
    if (flags.json) printJson(terminal, about);
    else for (const line of wordsOf(about)) terminal.out(`${line}\n`);
    return 0;
  });
}

function placeAll(options: Parameters<typeof replay>[0]): ReplayResult {
  try {
    return replay(options);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`nothing to simulate: ${error.message}`);
    throw error;
  }
}

/** A dropped task has no node. GPUs are separated by blanks. */
function assignmentLine(
  arrival: number,
  { name, gpuMilli }: TraceTask,
  node: string | undefined,
  gpus: readonly number[],
): string {
  return [quoted(name), arrival, quoted(node ?? ''), gpus.join(' '), gpus.length === 0 ? 0 : gpuMilli].join(
    ',',
  );
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

type About = ReplayResult & Pick<SimulateFlags, 'policy' | 'seed' | 'ratio'> & { readonly nodes: number };

function wordsOf({ policy, seed, ratio, nodes, ...found }: About): readonly string[] {
  const { gpus, arrived, placed, dropped, allocAt100, allocAtRatio } = found;
  const line = (share: number, asked: number) =>
    `allocated  ${share.toFixed(2)} % of the GPUs when ${asked} % had been asked for`;
  return [
    `${policy}, seed ${seed}: ${nodes} nodes, ${gpus} GPUs; ${arrived} tasks arrived, ${placed} placed, ${dropped} dropped`,
    ...(allocAt100 === null ? [] : [line(allocAt100, 100)]),
    line(allocAtRatio, Math.round(100 * ratio)),
  ];
}
