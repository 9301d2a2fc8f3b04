/**
 * The order of end-to-end files: those that need their turn with the engine (one-at-a-time.ts) among those that run beside
 * others, each long ones first. Else there are times when all that run wait for one turn, and others when nobody has it.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { isLong, needsTurn } from './beside-others.ts';

export class TurnSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isOurs = ({ project }: TestSpecification): boolean => project.name === 'e2e';
    const ours = longFirst(sorted.filter(isOurs));
    const turns = ours.filter(({ moduleId }) => needsTurn(moduleId));
    const beside = ours.filter(({ moduleId }) => !needsTurn(moduleId));
    return [...sorted.filter((file) => !isOurs(file)), ...spread(turns, beside)];
  }
}

/** Both in their order, each over the whole length. */
function spread<T>(some: readonly T[], others: readonly T[]): readonly T[] {
  const placed = [some, others].flatMap((files, kind) =>
    files.map((file, at) => ({ file, at: (at + kind / 2) / files.length })),
  );
  return placed.sort((a, b) => a.at - b.at).map(({ file }) => file);
}

function longFirst(files: readonly TestSpecification[]): readonly TestSpecification[] {
  return [
    ...files.filter(({ moduleId }) => isLong(moduleId)),
    ...files.filter(({ moduleId }) => !isLong(moduleId)),
  ];
}
