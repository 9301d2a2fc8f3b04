/**
 * Commands that the contract of `grid` names and this version does not have: said so, where "unknown command" (and a
 * guess at another one) would mislead. They are in no list and no completion.
 */
import { Command } from 'commander';
import { UsageError } from '../problem.ts';

const names = ['build', 'bench'];

/** What of it there is without `grid`. */
const instead: Readonly<Record<string, string>> = {
  bench: 'in a checkout, "npm run bench" measures',
};

export function laterCommands(): readonly Command[] {
  return names.map((name) =>
    new Command(name)
      .description('Of a later version of grid.')
      .helpOption(false)
      .allowUnknownOption()
      .argument('[words...]')
      .action(() => {
        const words = instead[name] === undefined ? '' : `; ${instead[name]}`;
        throw new UsageError(`"grid ${name}" is of a later version of grid${words}`);
      }),
  );
}
