/**
 * Flags of a worker that are no settings: what it offers, and where it is reached. `grid worker` takes them, and so does
 * what has systemd start one, which writes them into the unit.
 */
import { limits } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf, pairsOf } from '../command.ts';
import { dataEndpoints, integer, labelName, name } from '../task-file/values.ts';

export interface PlacedFlags {
  readonly label?: Readonly<Record<string, string>>;
  readonly slots?: number;
  /** Empty: none. */
  readonly dataEndpoint?: readonly string[];
}

export interface OfferFlags extends PlacedFlags {
  readonly allowProcess?: true;
  readonly retrieval?: true;
}

/** `whose` begins what they say of themselves, where other daemons have flags too. */
export function withPlacedFlags(command: Command, whose = ''): Command {
  return command
    .addOption(pairsOf('--label <NAME=VALUE>', `${whose}label this worker (repeatable)`, labelName, name))
    .addOption(flagOf('--slots <count>', `${whose}tasks at once`, integer(1, limits.attemptsPerWorker)))
    .addOption(
      flagOf(
        '--data-endpoint <endpoints>',
        `${whose}where its logs are read, such as tcp://10.0.0.7:7601; none: through the relay beside the broker alone`,
        dataEndpoints,
      ),
    );
}

/** `whosePlace`: the same of those that retrieval has too. */
export function withOfferFlags(command: Command, whose = '', whosePlace = whose): Command {
  return withPlacedFlags(command, whosePlace)
    .option('--allow-process', `${whose}run processes too, without a container: trust who submits`)
    .option('--retrieval', `${whose}keep collections of passages here too ("grid rag")`);
}

/** As `grid worker` is given them again. */
export function offerArgs({ allowProcess, retrieval, label, slots, dataEndpoint }: OfferFlags): string[] {
  const labels = Object.entries(label ?? {}).flatMap(([name, value]) => ['--label', `${name}=${value}`]);
  return [
    ...(allowProcess ? ['--allow-process'] : []),
    ...(retrieval ? ['--retrieval'] : []),
    ...labels,
    ...(slots === undefined ? [] : ['--slots', String(slots)]),
    ...(dataEndpoint === undefined ? [] : ['--data-endpoint', dataEndpoint.join(',') || 'none']),
  ];
}
