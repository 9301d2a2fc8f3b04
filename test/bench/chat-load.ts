/** Chats by HTTP, as a program would ask them: how many a second, how long until the first token, how many tokens a second. */
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { percentile } from './statistics.ts';

/** An HTTP server, or a socket. */
export interface ChatPlace {
  readonly name: string;
  readonly at: { readonly socketPath: string } | { readonly host: string; readonly port: number };
  readonly apiKey: string;
}

export interface ChatReport {
  readonly perSecond: number;
  readonly p50Ms: number;
}

export interface StreamReport {
  readonly firstP50Ms: number;
  readonly tokensPerSecond: number;
}

const messages = [{ role: 'user', content: 'Hello' }];

/** So many chats of one token each (or of `tokens`), `concurrency` at a time. */
export async function chats(
  place: ChatPlace,
  count: number,
  concurrency: number,
  tokens = 1,
): Promise<ChatReport> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const took: number[] = [];
  let left = count;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (; left > 0; ) {
        left -= 1;
        const at = performance.now();
        const answer = await ask(place, agent, {
          max_tokens: tokens,
          ...(tokens > 1 && { ignore_eos: true }),
        });
        await once(answer.resume(), 'end');
        took.push(performance.now() - at);
      }
    }),
  );
  const seconds = (performance.now() - begun) / 1000;
  agent.destroy();
  return { perSecond: took.length / seconds, p50Ms: percentile(took, 0.5) };
}

/** Streams of so many tokens, one after the other. */
export async function streams(place: ChatPlace, count: number, tokens: number): Promise<StreamReport> {
  // llama-server closes the connection of a stream that it said to keep.
  const agent = new Agent({ keepAlive: false });
  const first: number[] = [];
  let seconds = 0;
  let pieces = 0;
  for (let done = 0; done < count; done++) {
    const at = performance.now();
    const answer = await ask(place, agent, { max_tokens: tokens, ignore_eos: true, stream: true });
    let firstAt = 0;
    for await (const bytes of answer as AsyncIterable<Buffer>) {
      const found = bytes.toString('latin1').split('"content":"').length - 1;
      if (found > 0 && firstAt === 0) firstAt = performance.now();
      pieces += found;
    }
    first.push(firstAt - at);
    seconds += (performance.now() - firstAt) / 1000;
  }
  agent.destroy();
  return { firstP50Ms: percentile(first, 0.5), tokensPerSecond: pieces / seconds };
}

export interface HeldReport<L> {
  /** Open at a time. */
  readonly most: number;
  readonly seconds: number;
  /** What `look` saw when they were most. */
  readonly atMost: L;
}

/** So many streams, begun at once and taken to their ends. */
export async function heldStreams<L>(
  place: ChatPlace,
  count: number,
  tokens: number,
  look: () => L,
): Promise<HeldReport<L>> {
  const agent = new Agent({ keepAlive: false });
  let open = 0;
  let most = 0;
  let atMost = look();
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: count }, async () => {
      open += 1;
      const answer = await ask(place, agent, { max_tokens: tokens, ignore_eos: true, stream: true });
      if (open > most) {
        most = open;
        atMost = look();
      }
      let last = '';
      for await (const bytes of answer as AsyncIterable<Buffer>) last = last.slice(-64) + bytes.toString();
      open -= 1;
      if (!last.includes('data: [DONE]')) throw new Error(`a stream of ${place.name} ended with ${last}`);
    }),
  );
  return { most, seconds: (performance.now() - begun) / 1000, atMost };
}

async function ask({ name, at, apiKey }: ChatPlace, agent: Agent, more: object): Promise<IncomingMessage> {
  const body = JSON.stringify({ model: 'tiny', messages, temperature: 0, ...more });
  const asked = request({
    ...at,
    agent,
    method: 'POST',
    path: '/v1/chat/completions',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'content-length': body.length,
    },
  });
  asked.end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`${name} answered ${answer.statusCode}`);
  return answer;
}
