/**
 * What the gateway counts, as Prometheus reads it. Names of models are those that answered, so there are not many.
 *
 * 1. What is noted is counted when somebody asks, or when there is much of it: many at once cost a fraction of as many one by one.
 */
import type { InferResult } from '@gryphgen/protocol';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DoorAnswer } from './grid-door.ts';

const secondsBuckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300];

/** Some 50 B each. */
const mostNoted = 512;

type Noted =
  | { readonly kind: 'ended'; readonly route: string; readonly status: number; readonly ms: number }
  | {
      readonly kind: 'firstByte';
      readonly route: string;
      readonly way: DoorAnswer['way'];
      readonly ms: number;
    }
  | { readonly kind: 'answered'; readonly route: string; readonly bytes: number }
  | { readonly kind: 'used'; readonly model: string; readonly tokens: NonNullable<InferResult['tokens']> };

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
  private noted: Noted[] = [];

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
      ...named(
        'bad_connections_total',
        'What was no request (too slow, too large, no HTTP), and clients that do not take their answers',
      ),
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
    this.note({ kind: 'ended', route, status, ms });
  }

  firstByte(route: string, way: DoorAnswer['way'], ms: number): void {
    this.note({ kind: 'firstByte', route, way, ms });
  }

  answered(route: string, bytes: number): void {
    this.note({ kind: 'answered', route, bytes });
  }

  used(model: string, tokens: NonNullable<InferResult['tokens']>): void {
    this.note({ kind: 'used', model, tokens });
  }

  badConnection(reason: string): void {
    this.badConnections.inc({ reason });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  text(): Promise<string> {
    this.countNoted();
    return this.registry.metrics();
  }

  private note(one: Noted): void {
    this.noted.push(one);
    if (this.noted.length >= mostNoted) this.countNoted();
  }

  private countNoted(): void {
    const { noted } = this;
    this.noted = [];
    for (const one of noted) this.count(one);
  }

  private count(one: Noted): void {
    switch (one.kind) {
      case 'ended':
        this.requests.inc({ route: one.route, status: one.status });
        this.seconds.observe({ route: one.route }, one.ms / 1000);
        return;
      case 'firstByte':
        this.answers.inc({ way: one.way });
        this.firstByteSeconds.observe({ route: one.route }, one.ms / 1000);
        return;
      case 'answered':
        this.bytes.inc({ route: one.route }, one.bytes);
        return;
      case 'used': {
        const { model, tokens } = one;
        for (const kind of ['prompt', 'cached', 'output'] as const)
          this.tokens.inc({ model, kind }, tokens[kind]);
        return;
      }
      default:
        one satisfies never;
    }
  }
}
