/**
 * Traces of placement as CSV files: nodes (sn, cpu_milli, memory_mib, gpu, model) and tasks (name, cpu_milli, memory_mib,
 * num_gpu, gpu_milli, gpu_spec), as Alibaba's cluster-trace-gpu-v2023 has them.
 *
 * 1. Columns are found by their names; what else a file has is told and does not count.
 * 2. Everything that is wrong is told at once, up to `maxProblems`, as `file:line: …`.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { formatBytes } from '@gryphgen/protocol';
import type { TraceNode, TraceTask } from '@gryphgen/scheduler';
import { CsvError, parse } from 'csv-parse/sync';
import { UsageError } from '../problem.ts';

const maxBytes = 256 * 1024 ** 2;
const maxProblems = 20;
const most = 1e9;
const maxGpus = 64;
const wholeMilli = 1000;

export interface Trace<T> {
  readonly rows: readonly T[];
  /** Columns that say nothing here. */
  readonly unknown: readonly string[];
}

const timesAndStates = ['qos', 'pod_phase', 'creation_time', 'deletion_time', 'scheduled_time'];

/** Throws UsageError. */
export function readNodes(file: string): Trace<TraceNode> {
  const names = new Set<string>();
  return readTrace(file, ['sn', 'cpu_milli', 'memory_mib', 'gpu'], ['model'], (row) => {
    const name = row.name('sn');
    if (names.has(name)) row.problem('sn', `another node is called ${JSON.stringify(name)} too`);
    names.add(name);
    return {
      name,
      cpuMilli: row.whole('cpu_milli', 0, most),
      memoryMiB: row.whole('memory_mib', 0, most),
      gpuCount: row.whole('gpu', 0, maxGpus),
      model: row.text('model'),
    };
  });
}

/** Throws UsageError. */
export function readTasks(file: string): Trace<TraceTask> {
  const needed = ['name', 'cpu_milli', 'memory_mib', 'num_gpu', 'gpu_milli'];
  return readTrace(file, needed, ['gpu_spec', ...timesAndStates], (row) => {
    const gpuCount = row.whole('num_gpu', 0, maxGpus);
    const gpuMilli = row.whole('gpu_milli', gpuCount === 0 ? 0 : 1, wholeMilli);
    if (gpuCount > 1 && gpuMilli !== wholeMilli)
      row.problem('gpu_milli', `found ${gpuMilli}, expected ${wholeMilli}: several GPUs are taken whole`);
    return {
      name: row.name('name'),
      cpuMilli: row.whole('cpu_milli', 0, most),
      memoryMiB: row.whole('memory_mib', 0, most),
      gpuCount,
      gpuMilli: gpuCount === 0 ? 0 : gpuMilli,
      models: row.text('gpu_spec').split('|').filter(Boolean),
    };
  });
}

function readTrace<T>(
  file: string,
  needed: readonly string[],
  others: readonly string[],
  read: (row: Row) => T,
): Trace<T> {
  const { columns, lines } = linesOf(file);
  const missing = needed.filter((column) => !columns.includes(column));
  if (missing.length > 0)
    throw new UsageError(
      `${file}:1: found the columns ${columns.join(', ') || '(none)'}, expected also ${missing.join(', ')}`,
    );
  const problems: string[] = [];
  const rows = lines.map(({ cells, line }) => read(new Row(cells, `${file}:${line}`, problems)));
  if (problems.length > maxProblems)
    problems.splice(maxProblems, problems.length, `and ${problems.length - maxProblems} more such problems`);
  if (problems.length > 0) throw new UsageError(...problems);
  if (rows.length === 0) throw new UsageError(`${file}: expected a line at least beside its header`);
  return { rows, unknown: columns.filter((column) => ![...needed, ...others].includes(column)) };
}

interface Line {
  readonly cells: Readonly<Record<string, string>>;
  readonly line: number;
}

function linesOf(file: string): { readonly columns: readonly string[]; readonly lines: readonly Line[] } {
  const text = textOf(file);
  let columns: readonly string[] = [];
  const take = (header: readonly string[]): string[] => {
    columns = header;
    return [...header];
  };
  const form = { bom: true, trim: true, skip_empty_lines: true, info: true, columns: take } as const;
  try {
    const parsed = parse(text, form) as unknown as readonly {
      readonly record: Readonly<Record<string, string>>;
      readonly info: { readonly lines: number };
    }[];
    return { columns, lines: parsed.map(({ record, info }) => ({ cells: record, line: info.lines })) };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const place = typeof error.lines === 'number' ? `${file}:${error.lines}` : file;
    throw new UsageError(`${place}: no line of a CSV file: ${error.message}`);
  }
}

function textOf(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size > maxBytes)
      throw new UsageError(`${file} has ${formatBytes(size)}, expected at most ${formatBytes(maxBytes)}`);
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

class Row {
  private readonly cells: Readonly<Record<string, string>>;
  private readonly place: string;
  private readonly problems: string[];

  constructor(cells: Readonly<Record<string, string>>, place: string, problems: string[]) {
    this.cells = cells;
    this.place = place;
    this.problems = problems;
  }

  problem(column: string, words: string): void {
    this.problems.push(`${this.place}: ${column}: ${words}`);
  }

  text(column: string): string {
    return this.cells[column] ?? '';
  }

  name(column: string): string {
    const name = this.text(column);
    if (name === '') this.problem(column, 'expected a name, found nothing');
    return name;
  }

  whole(column: string, least: number, largest: number): number {
    const text = this.text(column);
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= largest) return value;
    const found = text === '' ? 'nothing' : JSON.stringify(text.slice(0, 40));
    this.problem(column, `found ${found}, expected a whole number from ${least} to ${largest}`);
    return least;
  }
}
