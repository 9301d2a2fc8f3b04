/** What one gateway holds at most, and for how long; what is beyond is refused in words. */
import { limits } from '@gryphgen/protocol';

const KiB = 1024;

export const defaultBounds = {
  /** Connections, idle ones included: each is some 20 KiB. */
  connections: 2048,
  /** Requests under way: each holds its body and an answer of which up to 1 MiB waits. */
  requests: 1536,
  bodyBytes: limits.questionBytes,
  /** Bodies of all requests under way. */
  heldBytes: 256 * KiB * KiB,
  headerBytes: 16 * KiB,
  /** For all headers of a request to come, and for all of it. */
  headersMs: 10_000,
  requestMs: 60_000,
  /** How often those are looked at. */
  lookMs: 2000,
  /** A connection that nothing is asked on. */
  keepAliveMs: 30_000,
  /** Until the first byte of an answer: a model may have to be fetched and loaded before. */
  firstByteMs: 15 * 60_000,
  /** Between two signs of life of a stream that has not begun: proxies give up after half a minute at the soonest. */
  waitingMs: 5000,
  /** A client that takes next to nothing of its answer in so long a wait has gone. */
  stallMs: 60_000,
  /** For answers under way when the gateway stops. */
  drainMs: 5000,
} as const;

/** What one key has under way, in places or bytes, of what is still free: four fifths of all where it is alone, less the more others have. */
export const aheadOfFree = 4;

export type GatewayBounds = { readonly [K in keyof typeof defaultBounds]: number };

/** What a request may ask for; more is a mistake, and would keep a model busy with it. */
export const askBounds = {
  /** Answers to one question: no instance has more slots. */
  choices: limits.instanceSlots,
  /** Tokens of one answer: no context in use is longer. */
  tokens: 2 ** 21,
  /** Alternatives told of each token. */
  logprobs: 100,
} as const;
