/** Whether a worker has an instance of the model that a task asks, with a slot left: one more predicate (predicates.ts). */
import type { Mode } from './device-fit.ts';
import type { Shape } from './shape.ts';
import type { HostedModel, WorkerView } from './worker-view.ts';

const nowhere: HostedModel = { slots: 0, isComing: false };

/** Of a task that asks no model: everywhere. */
export function isHosted({ model }: Shape, { models }: WorkerView): boolean {
  return model === undefined || (models.get(model)?.slots ?? 0) > 0;
}

/** Instances come and go: none is missing for ever. */
export const hosting = {
  concerns: ({ model }: Shape): boolean => model !== undefined,
  lack: ({ model }: Shape, { models, ledger }: WorkerView, _report: unknown, mode: Mode): number => {
    if (model === undefined || mode === 'ever') return 0;
    return (models.get(model)?.slots ?? 0) > (ledger.asking.get(model) ?? 0) ? 0 : 1;
  },
  reasons: ({ model = '' }: Shape, { models, ledger }: WorkerView): readonly string[] => {
    const { slots, isComing } = models.get(model) ?? nowhere;
    if (slots === 0) return [isComing ? `${model} is loading there` : `has no instance of ${model}`];
    const busy = ledger.asking.get(model) ?? 0;
    const requests = busy === 1 ? 'request' : 'requests';
    return [
      `its instances of ${model} answer ${busy} ${requests}, ${slots === 1 ? 'their only slot' : `all ${slots} slots`}`,
    ];
  },
};
