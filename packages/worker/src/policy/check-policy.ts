/** A policy against the machine it is for: what is wrong is told by the name of the mount. */
import type { ContainerPolicy, PolicyMount } from './container-policy.ts';
import { engineSockets } from './engine-sockets.ts';
import { forbiddenFolders, lookAtFolder, nestedInWritable } from './host-folder.ts';

export interface PolicyProblem {
  readonly mount: string;
  readonly words: string;
}

/** A folder that is not there is no problem: it may come, and is offered when it does. */
export async function policyProblems(
  policy: ContainerPolicy,
  home: string,
): Promise<readonly PolicyProblem[]> {
  const forbidden = await forbiddenFolders(home, engineSockets());
  const real: Record<string, PolicyMount> = {};
  const problems: PolicyProblem[] = [];
  for (const [mount, { path, write }] of Object.entries(policy.mounts)) {
    const folder = await lookAtFolder(path, forbidden);
    if (folder.kind === 'forbidden') problems.push({ mount, words: folder.words });
    real[mount] = { path: folder.kind === 'there' ? folder.path : path, write };
  }
  for (const { name, other } of nestedInWritable(real)) {
    const words = `lies in what mount ${other} lets tasks write: they could put something else in its place`;
    problems.push({ mount: name, words });
  }
  return problems;
}
