/**
 * What the engine tells of a pull, line by line, as what a person wants to know: how many layers, how many bytes, and
 * whether anything moves.
 */
import { formatBytes } from '@gryphgen/protocol';
import type { PullProblem } from './pull-problem.ts';

/** One line of the engine's answer; there are at most some hundred layers, each with hundreds of lines. */
export interface PullEvent {
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** The end, and why; of which kind, where that is known and need not be read from the words. */
  readonly error?: string;
  readonly problem?: PullProblem;
}

/** In the order a layer goes through them. */
const phases = [
  'Waiting',
  'Pulling fs layer',
  'Downloading',
  'Verifying Checksum',
  'Download complete',
  'Extracting',
  'Pull complete',
] as const;
const downloading = phases.indexOf('Downloading');
const done = phases.indexOf('Pull complete');

interface Layer {
  readonly phase: number;
  /** In this phase. */
  readonly bytes: number;
  /** Compressed, as it is downloaded; 0 until it is known. */
  readonly totalBytes: number;
  /** Most that was told; of small layers the engine tells little. */
  readonly loadedBytes: number;
}

export class PullProgress {
  /** Of what was pulled, as the registry names it: `sha256:…`; '' until it is known. */
  digest = '';
  /** The engine's latest words that were no progress: it says so when it tries a layer again. */
  trouble = '';
  private readonly layers = new Map<string, Layer>();

  /** Whether this is progress: what was reached before, and is only said again, is none. */
  take({ status = '', id = '', progressDetail }: PullEvent): boolean {
    if (status.startsWith('Digest: ')) this.digest = status.slice('Digest: '.length);
    const phase = status === 'Already exists' ? done : phases.indexOf(status as (typeof phases)[number]);
    if (phase < 0) {
      const isRetry = status.startsWith('Retrying');
      if (isRetry) this.trouble = status;
      return !isRetry;
    }
    const bytes = progressDetail?.current ?? 0;
    const before = this.layers.get(id);
    if (before !== undefined && (phase < before.phase || (phase === before.phase && bytes <= before.bytes)))
      return false;
    const totalBytes = progressDetail?.total ?? before?.totalBytes ?? 0;
    const loaded = phase === downloading ? bytes : phase > downloading ? totalBytes : 0;
    const loadedBytes = Math.max(loaded, before?.loadedBytes ?? 0);
    this.layers.set(id, { phase, bytes, totalBytes, loadedBytes });
    this.trouble = '';
    return true;
  }

  /** `2 of 5 layers, 40 MiB so far` */
  get words(): string {
    const layers = [...this.layers.values()];
    if (layers.length === 0) return 'no layer yet';
    const complete = layers.filter(({ phase }) => phase === done).length;
    return `${complete} of ${layerWords(layers.length)}, ${formatBytes(this.bytes)} so far`;
  }

  get layerCount(): number {
    return this.layers.size;
  }

  /** Downloaded, by the engine's count. */
  get bytes(): number {
    return [...this.layers.values()].reduce((sum, { loadedBytes }) => sum + loadedBytes, 0);
  }
}

export function layerWords(count: number): string {
  return count === 1 ? '1 layer' : `${count} layers`;
}
