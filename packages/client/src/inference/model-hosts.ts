/** Which workers have answered for a model, as far as it matters: whether there are several among which to choose. */
import { limits } from '@gryphgen/protocol';

const several = 2;

export class ModelHosts {
  private readonly hosts = new Map<string, Set<string>>();

  note(model: string, worker: string): void {
    const found = this.hosts.get(model);
    if (found !== undefined) {
      if (found.size < several) found.add(worker);
      return;
    }
    // Of models that were removed, most of them.
    if (this.hosts.size >= limits.models) this.hosts.clear();
    this.hosts.set(model, new Set([worker]));
  }

  areSeveral(model: string): boolean {
    return (this.hosts.get(model)?.size ?? 0) >= several;
  }
}
