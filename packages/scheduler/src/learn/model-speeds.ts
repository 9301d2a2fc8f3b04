/**
 * How many tokens a second a model writes on a seat (a device, or a worker's host), and how many of a prompt it reads there
 * (`promptOn`), learned of the answers it gave there. Beside them, of the model alone, how long its answers are (`answerLength`), and how
 * many bytes of a question are a token of it (`promptBytesEach`).
 *
 * 1. By the word of that worker alone, about its own seats: what it says changes nothing of another's.
 *    What is of the model alone is moved by all answers, and by what who asked said of the question: it counts for all workers alike.
 * 2. One answer moves it by little, however wild; so many pairs are kept, those used last.
 */
import { RecentMap } from '../recency.ts';
import { type Level, learn, unknownLevel } from './level.ts';

export type SavedModelSpeeds = readonly (readonly [pair: string, n: number, at: number])[];

const kept = 2048;
const leastRate = 1 / 10;
/** ln 1.5. */
const mostStep = Math.log(1.5);
/** More than any machine writes for one, or reads. */
const mostPerS = 1e6;

export class ModelSpeeds {
  private readonly pairs = new RecentMap<Level>(kept);

  observe(model: string, seat: string, tokensPerS: number): void {
    if (!(tokensPerS > 0 && tokensPerS <= mostPerS)) return;
    const key = speedName(model, seat);
    let level = this.pairs.use(key);
    if (level === undefined) {
      level = unknownLevel();
      this.pairs.add(key, level);
    }
    learn(level, Math.log(tokensPerS), leastRate, mostStep);
  }

  /** Undefined where it gave no answer there. */
  of(model: string, seat: string): { readonly tokensPerS: number; readonly seen: number } | undefined {
    const level = this.pairs.get(speedName(model, seat));
    return level && { tokensPerS: Math.exp(level.at), seen: level.n };
  }

  /** It is another file under this name. */
  forget(model: string): void {
    for (const [key] of [...this.pairs]) if (key.startsWith(`${model} `)) this.pairs.delete(key);
  }

  /** `pair`: as `speedName` names it. */
  levelOf(pair: string): SavedModelSpeeds[number] | undefined {
    const level = this.pairs.get(pair);
    return level && [pair, level.n, level.at];
  }

  /** In place of what is known of that pair. */
  put([pair, n, at]: SavedModelSpeeds[number]): void {
    this.pairs.delete(pair);
    this.pairs.add(pair, { n, at });
  }

  save(): SavedModelSpeeds {
    return [...this.pairs].map(([key, { n, at }]) => [key, n, at] as const);
  }

  load(saved: SavedModelSpeeds): void {
    this.pairs.clear();
    for (const [key, n, at] of saved) this.pairs.add(key, { n, at });
  }
}

/** In place of a seat: of none is it the name. */
export const answerLength = 'answer length';
export const promptBytesEach = 'prompt bytes';

export function promptOn(seat: string): string {
  return `${seat} prompt`;
}

/** No model's name has a space. */
export function speedName(model: string, seat: string): string {
  return `${model} ${seat}`;
}
