/** Which machine of the grid is meant. */
import { failure, GridError, type NodeDocument } from '@gryphgen/protocol';

/** By id, else by name. Throws GridError `rejected.not-found`. */
export function nodeNamed(nodes: readonly NodeDocument[], name: string): NodeDocument {
  const node = nodes.find(({ id }) => id === name) ?? nodes.find((each) => each.name === name);
  if (node === undefined)
    throw new GridError(failure('rejected.not-found', `no node "${name}" on this grid`));
  return node;
}
