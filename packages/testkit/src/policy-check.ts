/**
 * Orders about the placement policy in a simulated run, and what must hold of it (E31).
 *
 * 1. What was answered stands after every crash, and a number is never given to another policy.
 * 2. One version is one policy, whoever is told of it, whenever.
 */
import type { BrokerState } from '@gryphgen/broker';
import type { Message, PolicyDocument, PolicyEvidence, PolicyParts } from '@gryphgen/protocol';
import { defaultPolicy, type Judgement } from '@gryphgen/scheduler';
import type { SeededRandom } from './seeded-random.ts';
import { SimFailure } from './sim-failure.ts';

export interface PolicyOperation {
  readonly at: number;
  readonly kind: 'policy';
  readonly client: string;
  readonly op: 'promotePolicy' | 'rollBackPolicy';
  readonly from: number;
  readonly finishWeight: number;
}

const mostOrders = 5;
const withinMs = 60_000;

/** Most by who may, most for the version that is likely to be in force. */
export function policyOperations(random: SeededRandom, others: readonly string[]): PolicyOperation[] {
  if (!random.chance(0.25)) return [];
  return Array.from({ length: random.int(1, mostOrders) }, (_, each) => ({
    at: random.between(0, withinMs),
    kind: 'policy',
    client: random.chance(0.9) ? 'admin' : random.pick(others),
    op: random.chance(0.7) ? 'promotePolicy' : 'rollBackPolicy',
    from: random.int(0, each),
    finishWeight: random.int(0, 10) / 10,
  }));
}

export function argsOf({ op, from, finishWeight }: PolicyOperation): object {
  if (op === 'rollBackPolicy') return { from };
  const { version: _, ...parts } = defaultPolicy;
  return { from, parts: { ...parts, finishWeight }, evidence };
}

/** What a replay would have said; no run here is long enough for one. */
export function judgementOf({ finishWeight }: PolicyParts): Judgement {
  return { promotes: finishWeight > 0, why: 'it is as it was ordered', evidence };
}

const pair = { before: 2, after: 1 };
const since = Number.MAX_SAFE_INTEGER;
const evidence: PolicyEvidence = {
  ...{ trained: 7, judged: 3, since, until: since, mean: pair, p99: pair },
  ...{ gain: 0.5, leastGain: 0.1 },
};

export class PolicyCheck {
  private newest = 0;
  /** By version, of those that somebody was told of. */
  private readonly told = new Map<number, string>();

  sent(message: Message): void {
    if (message.kind !== 'reply' || !isPolicy(message.result)) return;
    const { inForce, changes } = message.result;
    for (const policy of [inForce, ...changes.map(({ policy }) => policy)]) {
      this.same(policy.version, JSON.stringify(policy));
      this.newest = Math.max(this.newest, policy.version);
    }
  }

  recovered({ policies }: BrokerState): void {
    if (policies.newest < this.newest)
      throw new SimFailure('what was acknowledged survives', `policy ${this.newest}, told of, is forgotten`);
    for (const version of this.told.keys()) {
      const policy = policies.find(version);
      if (policy !== undefined) this.same(version, JSON.stringify(policy));
    }
  }

  private same(version: number, policy: string): void {
    const known = this.told.get(version) ?? policy;
    this.told.set(version, known);
    if (known === policy) return;
    throw new SimFailure('a policy keeps its number', `version ${version} was ${known}, is ${policy}`);
  }
}

function isPolicy(result: unknown): result is PolicyDocument {
  return typeof result === 'object' && result !== null && 'inForce' in result;
}
