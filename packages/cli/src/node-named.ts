/** Which machine of the grid is meant. */
import { GridError, type NodeDocument, unknownName } from '@gryphgen/protocol';

/** By id, else by name. Throws GridError `rejected.not-found`, with the name that was meant. */
export function nodeNamed(nodes: readonly NodeDocument[], name: string): NodeDocument {
  const node = nodes.find(({ id }) => id === name) ?? nodes.find((each) => each.name === name);
  if (node !== undefined) return node;
  const names = nodes.map((each) => each.name);
  throw new GridError(unknownName('node', name, names, 'grid nodes'));
}
