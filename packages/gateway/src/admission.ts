/**
 * How much may be asked at a time: of each key what it was given, of all together what the gateway can hold.
 *
 * 1. Who is refused is told when a place is expected to be free, and has used up nothing.
 * 2. No key takes all that there is: one that has `aheadOfFree` times as many requests under way as there are places left has enough.
 *    (Which of them is answered first, the broker decides, by keys in turn.)
 * 3. What is known of a key goes when nothing of it is under way and its rate has recovered; that is looked at as it leaves, and
 *    of all keys when there are many.
 */
import { type ApiKey, apiKeyLimits, type Clock } from '@gryphgen/runtime';
import { ApiError } from './api-error.ts';
import { ExpectedWait } from './expected-wait.ts';
import { aheadOfFree } from './gateway-bounds.ts';

const minuteMs = 60_000;
/** There are no more keys at a time; each use is some 100 B. */
const manyUses = apiKeyLimits.keys;

interface Use {
  open: number;
  /** Requests that may be asked now, as of `at`; none is counted where there is no rate. */
  room: number;
  at: number;
  readonly wait: ExpectedWait;
}

export interface Admitted {
  /** It was answered. */
  answered(): void;
  /** When the grid has room for another of its key, which had none for this one; whole seconds. */
  retryAfterS(): number;
  /** It has ended. Idempotent. */
  leave(): void;
}

type Held = Pick<ApiKey, 'id' | 'perMinute' | 'concurrent'>;

export class Admission {
  private readonly clock: Clock;
  private readonly most: number;
  private readonly uses = new Map<string, Use>();
  private readonly wait = new ExpectedWait();
  private total = 0;

  constructor(clock: Clock, most: number) {
    this.clock = clock;
    this.most = most;
  }

  get open(): number {
    return this.total;
  }

  /** Throws ApiError 429. */
  enter(key: Held): Admitted {
    const use = this.useOf(key);
    const { perMinute, concurrent } = key;
    if (this.total >= this.most) {
      const waitS = this.wait.tellS(this.total, use.at);
      throw refusal(`the gateway has ${this.most} requests under way already`, 'gateway_full', waitS);
    }
    if (use.open >= aheadOfFree * (this.most - this.total)) {
      const words = `this key has ${use.open} requests under way, and the few places that the gateway has left are for others`;
      throw refusal(words, 'gateway_full', this.tellS(use));
    }
    if (concurrent !== undefined && use.open >= concurrent) {
      const words = `this key has ${concurrent} requests under way already`;
      throw refusal(words, 'concurrency_limit', this.tellS(use));
    }
    if (perMinute !== undefined && use.room < 1) {
      const waitS = Math.ceil(((1 - use.room) * minuteMs) / perMinute / 1000);
      throw refusal(`this key may ask ${perMinute} times a minute`, 'rate_limit_exceeded', waitS);
    }
    use.room -= 1;
    use.open += 1;
    this.total += 1;
    const began = use.at;
    let isOpen = true;
    return {
      answered: () => {
        for (const wait of [use.wait, this.wait]) wait.took(this.clock.mono() - began);
      },
      retryAfterS: () => this.tellS(use),
      leave: () => {
        if (!isOpen) return;
        isOpen = false;
        use.open -= 1;
        this.total -= 1;
        this.forgetRested(key, use);
      },
    };
  }

  private tellS({ wait, open }: Use): number {
    return wait.tellS(open, this.clock.mono());
  }

  private useOf({ id, perMinute = 0 }: Held): Use {
    const now = this.clock.mono();
    if (this.uses.size > manyUses) this.forgetOld(now);
    const use = this.uses.get(id) ?? { open: 0, room: perMinute, at: now, wait: new ExpectedWait() };
    use.room = Math.min(perMinute, use.room + ((now - use.at) * perMinute) / minuteMs);
    use.at = now;
    this.uses.set(id, use);
    return use;
  }

  /** After a minute without a request any rate has recovered. */
  private forgetOld(now: number): void {
    for (const [id, { open, at }] of this.uses) if (open === 0 && now - at > minuteMs) this.uses.delete(id);
  }

  private forgetRested({ id, perMinute }: Held, use: Use): void {
    if (use.open > 0) return;
    if (perMinute === undefined || use.room >= perMinute) this.uses.delete(id);
  }
}

function refusal(message: string, code: string, retryAfterS: number): ApiError {
  return new ApiError({ status: 429, type: 'rate_limit_error', code, message, retryAfterS });
}
