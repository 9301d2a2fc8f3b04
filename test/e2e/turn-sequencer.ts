/**
 * The order of end-to-end files: one that needs its turn with the engine (one-at-a-time.ts), one that runs beside others, and
 * so on, each long ones first. Else there are times when all that run wait for one turn, and others when nobody has it.
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
    const inTurn = [];
    for (let at = 0; at < Math.max(turns.length, beside.length); at += 1)
      inTurn.push(...turns.slice(at, at + 1), ...beside.slice(at, at + 1));
    return [...sorted.filter((file) => !isOurs(file)), ...inTurn];
  }
}

function longFirst(files: readonly TestSpecification[]): readonly TestSpecification[] {
  return [
    ...files.filter(({ moduleId }) => isLong(moduleId)),
    ...files.filter(({ moduleId }) => !isLong(moduleId)),
  ];
}
