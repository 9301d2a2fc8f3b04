/** What a later life of the worker finds of a container: whose it is, whether it runs, and what was being done to it. */
import type { Clock } from '@gryphgen/runtime';
import type { Container, ContainerInfo, ContainerInspectInfo } from 'dockerode';
import type { Files } from '../artifacts/attempt-files.ts';
import type { AdoptedAttempt, Exit } from '../core/events.ts';
import type { Fence } from '../core/fence.ts';
import { jumpMs } from '../core/pressure/thresholds.ts';
import type { LeaseFacts } from '../core/state.ts';
import { ageOfContainer } from './container-age.ts';
import { outcomeOf, stopSignalOf } from './container-facts.ts';
import { readLabels, readNonce, readPreface } from './container-labels.ts';
import type { Claim, ContainerNotes } from './container-notes.ts';
import type { ContainerRun } from './container-run.ts';
import { type CallTools, endedFromOutside, labelled, within } from './docker-engine.ts';
import { outOfMemory } from './out-of-memory.ts';
import { isBegun } from './warm-launcher.ts';
import { type Launched, launchedBy } from './warm-start.ts';

/** An engine that does not answer a question this fast is no use. */
const questionMs = 10_000;
/** A shell that has its order says so in milliseconds. */
const beginMs = 1000;

export interface Seen {
  readonly info: ContainerInfo;
  /** Null when it is gone. */
  readonly state: ContainerInspectInfo | null;
}

/** What is known of whose a container is. */
export interface Lease {
  readonly fence: Fence;
  readonly facts: LeaseFacts;
  readonly labels: Readonly<Record<string, string>>;
  readonly preface: string;
  readonly launched: Launched | null;
  /** For how long it waited before it was anybody's. */
  readonly claimedWallMs: number | null;
}

/** Undefined when it is nobody's: the labels are not ours, or it is a warm one that nobody claimed. */
export function leaseOf(
  { Id, Labels }: ContainerInfo,
  claims: ReadonlyMap<string, Claim>,
): Lease | undefined {
  const nonce = readNonce(Labels);
  const claim = claims.get(Id);
  if (nonce === null) {
    const label = readLabels(Labels);
    return (
      label && { ...label, labels: Labels, preface: readPreface(Labels), launched: null, claimedWallMs: null }
    );
  }
  if (claim === undefined) return undefined;
  const { fence, facts, preface, env, wallMs } = claim;
  const launched = launchedBy(nonce, facts, { env, output: null });
  return { fence, facts, labels: Labels, preface, launched, claimedWallMs: wallMs };
}

export interface AdoptionTools extends CallTools {
  readonly notes: ContainerNotes;
  readonly clock: Clock;
  readonly files: Files;
}

/** Goes on with it; null when its command never began. */
export async function adoptContainer(
  container: Container,
  seen: ContainerInspectInfo,
  lease: Lease,
  run: ContainerRun,
  tools: AdoptionTools,
): Promise<AdoptedAttempt | null> {
  const { fence, facts, labels, preface, launched, claimedWallMs } = lease;
  const attempt = { fence, facts };
  const outcome = outcomeOf(seen);
  run.adopt(container, { labels, preface, launched, outcome });
  const state = launched === null ? seen : await begunState(container, seen, launched, tools);
  if (state === null) return null;
  const { State, HostConfig } = state;
  // Or so it seems: an engine that was killed while it started one, or is about to, says the same of one whose command
  // runs. It would run twice if it were started (again).
  if (State.Status === 'created') return null;
  const note = await tools.notes.stopOf(fence);
  const startedMs = timeOf(State.StartedAt);
  const waitedMs = claimedWallMs === null ? 0 : Math.max(0, claimedWallMs - startedMs);
  if (State.Running) {
    run.resume(container, note !== null, stopSignalOf(seen));
    const ranMs = (await ageOf(container.id, State.Pid, startedMs, tools.clock)) - waitedMs;
    return {
      ...attempt,
      stopping: note?.why ?? null,
      found: { phase: 'running', ranMs: Math.max(0, ranMs) },
    };
  }
  const failed = State.OOMKilled && State.ExitCode !== 0 ? outOfMemory(HostConfig.Memory ?? 0) : null;
  const finishedMs = timeOf(State.FinishedAt);
  // What ended before the stop was decided ended by itself.
  const stopping = note !== null && finishedMs >= note.wallMs ? note.why : null;
  const ranMs = Math.max(0, finishedMs - startedMs - waitedMs);
  // It has ended well, but not everything that it leaves is known: for others it runs until that is.
  const isWell = State.ExitCode === 0 && stopping === null;
  if (isWell && tools.files.outputsOf(fence).length > 0) {
    run.resume(container, false, stopSignalOf(seen));
    return { ...attempt, stopping, found: { phase: 'running', ranMs } };
  }
  run.recover(container);
  // Not by the earlier life, then by the engine's end or a reboot: the core calls it lost, not failed.
  const stopped = stopping !== null || (failed === null && endedFromOutside(State.ExitCode));
  const exit: Exit = { exitCode: State.ExitCode, failure: failed, outcome, stopped };
  return { ...attempt, stopping, found: { phase: 'ended', ranMs, exit } };
}

/**
 * Null when the command never began. The worker that claimed it may have died before all of the order was sent: then the
 * shell finds the end of its input, and ends. One that runs on and has not begun is ended, so that what is found stays so.
 */
async function begunState(
  container: Container,
  seen: ContainerInspectInfo,
  launched: Launched,
  tools: CallTools,
): Promise<ContainerInspectInfo | null> {
  if (seen.State.Running) {
    const soon = within(beginMs, tools, (abortSignal) => hasBegun(container, launched, abortSignal));
    if (await soon.catch(() => false)) return seen;
    const kill = (abortSignal: AbortSignal) => container.kill({ signal: 'SIGKILL', abortSignal });
    // It may have ended just now.
    await ask(tools, kill).catch(() => undefined);
    await ask(tools, (abortSignal) => container.wait({ abortSignal }));
  }
  const isBegun = await ask(tools, (abortSignal) => hasBegun(container, launched, abortSignal));
  return isBegun ? ask(tools, (abortSignal) => container.inspect({ abortSignal })) : null;
}

/** By what it said first. Waits for that while it runs. */
async function hasBegun(
  container: Container,
  { nonce }: Launched,
  abortSignal: AbortSignal,
): Promise<boolean> {
  const stdout = { follow: true, stdout: true, stderr: false, abortSignal } as const;
  const stream = (await container.logs(stdout)) as unknown as AsyncIterable<Uint8Array>;
  let text = '';
  for await (const { bytes } of labelled(stream)) {
    text += Buffer.from(bytes).toString('latin1');
    if (isBegun(text, nonce)) return true;
  }
  return false;
}

/** By the time of day, unless that has jumped since: a time limit must not follow it. */
async function ageOf(id: string, pid: number, startedMs: number, clock: Clock): Promise<number> {
  const byWall = Math.max(0, clock.wall() - startedMs);
  const age = await ageOfContainer(id, pid);
  return age === undefined || Math.abs(age - byWall) < jumpMs ? byWall : age;
}

function ask<T>(tools: CallTools, question: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
  return within(questionMs, tools, question);
}

/** Milliseconds since 1970; 0 where the engine tells no time (a container it has lost track of). */
function timeOf(engineTime: string): number {
  return Math.max(0, Date.parse(engineTime)) || 0;
}
