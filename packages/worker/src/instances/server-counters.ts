/**
 * Looks at a llama-server, and what it counts.
 *
 * 1. A look has a connection of its own and its time: what is hung answers none.
 */
import { type Alarms, askLlama, type Door } from '@gryphgen/runtime';

/** Of what it counts; that is some KiB. */
const mostChars = 64 * 1024;

interface Look {
  readonly path: '/health' | '/metrics';
  readonly limitMs: number;
  readonly alarms: Alarms;
  readonly signal: AbortSignal;
}

/** What it answers with status 200, else null. */
export async function lookAt(door: Door, { path, limitMs, alarms, signal }: Look): Promise<string | null> {
  const limit = new AbortController();
  const cancel = alarms.after(limitMs, () => limit.abort());
  try {
    const answer = await askLlama(door, { path, signal: AbortSignal.any([signal, limit.signal]) });
    let text = '';
    await answer.read((piece) => {
      text += Buffer.from(piece).toString('latin1');
      return text.length < mostChars;
    });
    return answer.status === 200 ? text : null;
  } catch {
    return null; // not yet, not any more, or not in time: the caller's to judge
  } finally {
    cancel();
  }
}

/** Since it was started. */
export interface ServerCounters {
  /** Steps of computing. */
  readonly decodes: number;
  /** Tokens of prompts that it computed, and that it wrote; missing of one that does not tell. */
  readonly prompt: number | undefined;
  readonly output: number | undefined;
  /** Under way and waiting, now. */
  readonly requests: number | undefined;
}

/** Undefined of what is no answer of `/metrics`. */
export function readCounters(text: string): ServerCounters | undefined {
  const decodes = numberIn(text, 'n_decode_total');
  if (decodes === undefined) return undefined;
  const [running, waiting] = [numberIn(text, 'requests_processing'), numberIn(text, 'requests_deferred')];
  return {
    decodes,
    prompt: numberIn(text, 'prompt_tokens_total'),
    output: numberIn(text, 'tokens_predicted_total'),
    requests: running === undefined ? undefined : running + (waiting ?? 0),
  };
}

function numberIn(text: string, name: string): number | undefined {
  const [, found] = new RegExp(`^llamacpp:${name} ([0-9.e+]+)$`, 'm').exec(text) ?? [];
  const value = Number(found);
  return Number.isFinite(value) ? value : undefined;
}
