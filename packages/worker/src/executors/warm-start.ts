/** An attempt gets a warm container: it is noted whose it is, and only then its shell is told what to run. */
import type { Container } from 'dockerode';
import type { LeaseFacts } from '../core/state.ts';
import type { AttachedOutput } from './attached-output.ts';
import type { Claim, ContainerNotes } from './container-notes.ts';
import { wordsOf } from './docker-engine.ts';
import type { LaunchFacts } from './warm-launcher.ts';
import type { WarmPool } from './warm-pool.ts';
import type { Warmth } from './warm-wish.ts';

/** Of an attempt in a warm container. */
export interface Launched extends LaunchFacts {
  /** What the command has, and the container has not. */
  readonly env: Readonly<Record<string, string>>;
  /** Null in one of an earlier life: its connection ended with that. */
  readonly output: AttachedOutput | null;
}

export function launchedBy(
  nonce: string,
  { reservation }: LeaseFacts,
  { env, output }: Pick<Launched, 'env' | 'output'>,
): Launched {
  return { nonce, env, output, hasDevices: reservation.devices.length > 0 };
}

/** `cold`: in words why it has none. */
export async function startWarm(
  warmth: Warmth,
  claim: Pick<Claim, 'fence' | 'preface' | 'wallMs'>,
  { warm: pool, notes }: { readonly warm: WarmPool; readonly notes: ContainerNotes },
): Promise<{ readonly container: Container; readonly launched: Launched } | { readonly cold: string }> {
  if ('cold' in warmth) return warmth;
  const taken = pool.take(warmth);
  if ('none' in taken) return { cold: taken.none };
  const { facts, order } = warmth;
  const { container, nonce, output } = taken;
  const { env } = order;
  try {
    await notes.noteClaim({ ...claim, facts, env, container: container.id });
    if (taken.give(order)) return { container, launched: launchedBy(nonce, facts, { env, output }) };
  } catch (error) {
    pool.drop(taken);
    return { cold: `nothing can be noted beside the logs: ${wordsOf(error)}` };
  }
  await notes.forget(claim.fence);
  pool.drop(taken);
  return { cold: 'the one that was ready has ended' };
}
