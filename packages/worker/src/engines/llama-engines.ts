/**
 * The llama-servers of this machine: those that its owner has added (engine-list.ts), then those found by name or path; asked
 * once, and again when the file is another one or `askAgainMs` have passed (a driver may have come meanwhile).
 *
 * 1. One that is not there is no trouble while nobody named it; one that is there and cannot be used always is.
 * 2. An instance that is to compute on cards is given an engine that sees those very cards, all of them, or none: never
 *    the host in silence.
 */
import { stat } from 'node:fs/promises';
import { type DeviceUuid, type Failure, failure, limits } from '@gryphgen/protocol';
import type { Clock, Log } from '@gryphgen/runtime';
import { findProgram } from '../executors/find-program.ts';
import { engineEnvironment, type ProgramPaths } from './engine-environment.ts';
import type { AddedEngine } from './engine-list.ts';
import { type Card, listedAs } from './listed-devices.ts';
import { type LlamaEngine, type Probed, probeDevices, probeLlama } from './llama-probe.ts';

/** What is looked for where nobody says anything. */
export const usualLlamaServer = 'llama-server';
const askAgainMs = 10 * 60_000;
const dividers = ['cuda', 'vulkan'];
const dividing = ['--device', '--n-gpu-layers', '--split-mode', '--tensor-split'];
/** Under which a problem with the list of those that were added is kept. */
const listed = 'engines.json';

export interface LlamaEnginesOptions {
  /** Names on the path or absolute paths, `:` between them, the preferred first; '' for none. */
  readonly programs: string;
  /** Before those; a text where the list of them cannot be read. Nobody is asked where `programs` is ''. */
  readonly added?: () => Promise<readonly AddedEngine[] | string>;
  readonly paths: ProgramPaths;
  /** Those of this machine; none where that is not known. Never rejects. */
  readonly cards?: () => Promise<readonly Card[]>;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: some seconds. */
  readonly answerMs?: number;
}

/** How an instance computes: `device` as llama.cpp takes it, `CUDA0` or `CUDA0,CUDA1`; 'none' for the host alone. */
export interface ChosenEngine {
  readonly engine: LlamaEngine;
  readonly device: string;
}

/** As its owner has called it; one that was found is called as what was looked for. */
interface NamedEngine extends LlamaEngine {
  readonly name: string;
}

interface Known {
  /** Which file it was. */
  readonly file: string;
  readonly askedMono: number;
  readonly probed: Probed<LlamaEngine>;
}

export class LlamaEngines {
  private readonly options: LlamaEnginesOptions;
  private readonly programs: readonly string[];
  private readonly known = new Map<string, Known>();
  private readonly problems = new Map<string, string>();
  private usable: readonly NamedEngine[] = [];
  private looking: Promise<readonly NamedEngine[]> | null = null;

  constructor(options: LlamaEnginesOptions) {
    this.options = options;
    this.programs = options.programs.split(':').filter((program) => program !== '');
  }

  /** As of the last look. */
  get engines(): readonly NamedEngine[] {
    return this.usable;
  }

  get troubles(): readonly string[] {
    return [...this.problems.values()].filter((why) => why !== '');
  }

  /** All who ask meanwhile share one look. */
  look(): Promise<readonly NamedEngine[]> {
    this.looking ??= this.findAll().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  /** For an instance that computes on these devices, in this order; on the host alone without any. */
  async choose(devices: readonly DeviceUuid[]): Promise<ChosenEngine | Failure> {
    const engines = await this.look();
    const [first] = engines;
    if (first === undefined)
      return failure('execution.model', this.troubles[0] ?? 'there is no llama-server on this machine');
    if (devices.length === 0) return { engine: first, device: 'none' };
    const cards = (await this.options.cards?.()) ?? [];
    const whys: string[] = [];
    for (const engine of engines) {
      const seen = await this.seeingThrough(engine, devices, cards);
      if (seen.ok) return { engine, device: seen.value };
      whys.push(seen.why);
    }
    return failure(
      'execution.model',
      `nothing here computes on ${devices.join(' and ')}, and it is not computed on the host instead: ${whys.join('; ')}`,
    );
  }

  private async findAll(): Promise<readonly NamedEngine[]> {
    const added = this.programs.length === 0 ? [] : ((await this.options.added?.()) ?? []);
    this.note(listed, typeof added === 'string' ? added : '');
    const names = new Map(typeof added === 'string' ? [] : added.map(({ path, name }) => [path, name]));
    for (const program of this.programs) if (!names.has(program)) names.set(program, usualLlamaServer);
    for (const program of [...this.known.keys(), ...this.problems.keys()])
      if (program !== listed && !names.has(program)) this.forget(program);
    const found = await Promise.all(
      [...names].map(async ([program, name]) => {
        const engine = await this.find(program);
        return engine === null ? [] : [{ ...engine, name }];
      }),
    );
    this.usable = found.flat().slice(0, limits.modelEngines);
    return this.usable;
  }

  private async seeingThrough(
    engine: LlamaEngine,
    devices: readonly DeviceUuid[],
    cards: readonly Card[],
  ): Promise<Probed<string>> {
    const { paths, answerMs } = this.options;
    if (devices.length > 1 && !divides(engine))
      return { ok: false, why: `${engine.path} cannot divide a model over several devices` };
    const listed = await probeDevices(engine, engineEnvironment(paths, '/', devices), answerMs);
    return listed.ok ? listedAs(engine, listed.value, devices, cards) : listed;
  }

  private forget(program: string): void {
    this.known.delete(program);
    this.problems.delete(program);
  }

  /** Null when it cannot be used now. */
  private async find(program: string): Promise<LlamaEngine | null> {
    const { paths, clock } = this.options;
    const found = await findProgram(program, paths.path, '/');
    if ('why' in found) {
      this.note(program, program === usualLlamaServer ? '' : found.why);
      return null;
    }
    const file = await fileOf(found.path);
    const before = this.known.get(program);
    const isKnown = before?.file === file && clock.mono() - before.askedMono < askAgainMs;
    const probed = isKnown ? before.probed : await this.probe(found.path);
    if (!isKnown) this.known.set(program, { file, askedMono: clock.mono(), probed });
    this.note(program, probed.ok ? '' : probed.why);
    return probed.ok ? probed.value : null;
  }

  private probe(path: string): Promise<Probed<LlamaEngine>> {
    const { paths, answerMs } = this.options;
    return probeLlama(path, engineEnvironment(paths, '/', null), answerMs);
  }

  /** Logged when it changes, not with each look. */
  private note(program: string, problem: string): void {
    if (problem !== '' && problem !== this.problems.get(program))
      this.options.log.warn({ program, why: problem }, 'a llama-server cannot be used');
    this.problems.set(program, problem);
  }
}

/** Whether it can be told how many layers go on which of several cards: by CUDA, which knows them by their uuids, or Vulkan (listed-devices.ts). */
export function divides({ flags, backends }: LlamaEngine): boolean {
  return dividing.every((flag) => flags.has(flag)) && dividers.some((backend) => backends.includes(backend));
}

/** Another after an upgrade. '' when it went in this moment: then it is asked, and says so. */
async function fileOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs } = await stat(path);
    return `${path} ${dev} ${ino} ${size} ${mtimeMs}`;
  } catch {
    return '';
  }
}
