/** What the gateway counts, as Prometheus reads it. Names of models are those that answered, so there are not many. */
import type { InferResult } from '@gryphgen/protocol';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DoorAnswer } from './grid-door.ts';

const secondsBuckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

/** A client that left before its answer had ended: nginx's number for it. */
export const clientLeft = 499;

export class GatewayMetrics {
  private readonly registry = new Registry();
  private readonly requests: Counter<'route' | 'status'>;
  private readonly seconds: Histogram<'route'>;
  private readonly firstByteSeconds: Histogram<'route'>;
  private readonly answers: Counter<'way'>;
  private readonly bytes: Counter<'route'>;
  private readonly tokens: Counter<'model' | 'kind'>;
  private readonly badConnections: Counter<'reason'>;

  constructor(openRequests: () => number) {
    const registers = [this.registry];
    const named = (name: string, help: string) => ({ name: `gryphgen_gateway_${name}`, help, registers });
    this.requests = new Counter({
      ...named('requests_total', 'Requests that have ended; 499: the client left'),
      labelNames: ['route', 'status'],
    });
    this.seconds = new Histogram({
      ...named('request_seconds', 'From the headers to the end of the answer'),
      labelNames: ['route'],
      buckets: secondsBuckets,
    });
    this.firstByteSeconds = new Histogram({
      ...named('first_byte_seconds', 'From the headers to the first byte of a model’s answer'),
      labelNames: ['route'],
      buckets: secondsBuckets,
    });
    this.answers = new Counter({
      ...named(
        'answers_total',
        'Answers that have begun; by a task of their own, a lent slot, its server straight, or a provider',
      ),
      labelNames: ['way'],
    });
    this.bytes = new Counter({
      ...named('answer_bytes_total', 'Of answers of models'),
      labelNames: ['route'],
    });
    this.tokens = new Counter({
      ...named('tokens_total', 'As llama-server counted them'),
      labelNames: ['model', 'kind'],
    });
    this.badConnections = new Counter({
      ...named('bad_connections_total', 'What was no request: too slow, too large, no HTTP'),
      labelNames: ['reason'],
    });
    new Gauge({
      ...named('open_requests', 'Requests under way'),
      collect() {
        this.set(openRequests());
      },
    });
  }

  ended(route: string, status: number, ms: number): void {
    this.requests.inc({ route, status });
    this.seconds.observe({ route }, ms / 1000);
  }

  firstByte(route: string, way: DoorAnswer['way'], ms: number): void {
    this.answers.inc({ way });
    this.firstByteSeconds.observe({ route }, ms / 1000);
  }

  answered(route: string, bytes: number): void {
    this.bytes.inc({ route }, bytes);
  }

  used(model: string, { prompt, cached, output }: NonNullable<InferResult['tokens']>): void {
    this.tokens.inc({ model, kind: 'prompt' }, prompt);
    this.tokens.inc({ model, kind: 'cached' }, cached);
    this.tokens.inc({ model, kind: 'output' }, output);
  }

  badConnection(reason: string): void {
    this.badConnections.inc({ reason });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    return this.registry.metrics();
  }
}
