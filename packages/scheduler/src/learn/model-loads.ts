/** How long the last load of a model took on a worker, in ms; so many pairs are kept, those loaded last. */
import { RecentMap } from '../recency.ts';
import { speedName } from './model-speeds.ts';

export type SavedModelLoads = readonly (readonly [pair: string, ms: number])[];

const kept = 1024;
const mostMs = 60 * 60_000;

export class ModelLoads {
  private readonly pairs = new RecentMap<number>(kept);

  note(model: string, worker: string, ms: number): void {
    this.put([speedName(model, worker), Math.min(mostMs, Math.max(1, ms))]);
  }

  of(model: string, worker: string): number | undefined {
    return this.pairs.get(speedName(model, worker));
  }

  /** `pair`: as `speedName` names it. */
  loadOf(pair: string): SavedModelLoads[number] | undefined {
    const ms = this.pairs.get(pair);
    return ms === undefined ? undefined : [pair, ms];
  }

  put([pair, ms]: SavedModelLoads[number]): void {
    this.pairs.delete(pair);
    this.pairs.add(pair, ms);
  }

  /** It is another file under this name. */
  forget(model: string): void {
    for (const [key] of [...this.pairs]) if (key.startsWith(`${model} `)) this.pairs.delete(key);
  }

  save(): SavedModelLoads {
    return [...this.pairs];
  }

  load(saved: SavedModelLoads): void {
    this.pairs.clear();
    for (const one of saved) this.put(one);
  }
}
