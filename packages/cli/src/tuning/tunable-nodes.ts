/** On which workers a model is measured where nobody says so. */
import { failure, GridError, type ModelPlanDocument, type NodeDocument } from '@gryphgen/protocol';

/**
 * Those that hold all of it on devices as they are now; where none does, those that hold it on the host. Throws GridError
 * `unplaceable.no-worker`, with what each lacks.
 */
export function tunableNodes(
  model: string,
  nodes: readonly NodeDocument[],
  { workers }: Pick<ModelPlanDocument, 'workers'>,
): readonly NodeDocument[] {
  const [onDevices, onHost, whys]: [NodeDocument[], NodeDocument[], string[]] = [[], [], []];
  for (const node of nodes) {
    const { kind = 'no', reasons = [] } = workers.find(({ worker }) => worker === node.id) ?? {};
    if (node.report !== null && !servesModels(node))
      whys.push(`${node.name} has no engine that serves models`);
    else if (kind === 'no' || kind === 'partly') whys.push(...reasons.slice(0, 1));
    else (kind === 'host' ? onHost : onDevices).push(node);
  }
  const found = onDevices.length > 0 ? onDevices : onHost;
  if (found.length > 0) return found;
  const why = whys.length === 0 ? 'there is none' : whys.join('; ');
  throw new GridError(failure('unplaceable.no-worker', `no worker holds all of ${model} now: ${why}`));
}

/** It has an engine, which it found. */
export function servesModels({ report }: Pick<NodeDocument, 'report'>): boolean {
  return report?.capabilities.includes('instance') === true;
}
