/** `grid rag access`: whose a collection is, and who may ask it. */
import { accessed, type Client, collectionNamed } from '@gryphgen/client';
import {
  type AccessResult,
  type Failure,
  failure,
  GridError,
  type IngestBody,
  limits,
  type PrincipalId,
  type Readers,
  unknownName,
} from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { type Invocation, runs } from '../command.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { withoutRoles } from '../rag/role-readers.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { principalName } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';
import {
  type CopyLeftOut,
  collectionsOf,
  held,
  ingest,
  ingestCopies,
  onCollection,
} from './rag-collections.ts';

interface AccessFlags extends CommonFlags {
  readonly readers?: string;
  readonly owner?: string;
}

export function accessCommand(invocation: Invocation): Command {
  const command = onCollection(
    'access',
    'Show or say whose a collection is and who may ask it; its owner and admins change it.',
    'rag access docs',
    'rag access docs --readers owner',
    'rag access docs --readers ann@laptop,p-0123456789abcdef',
    'rag access docs --readers role:admin',
  )
    .addOption(
      new Option(
        '--readers <who>',
        'everyone, owner, or beside the owner, with commas between: role:submitter, role:admin, and principals by name (for admins) or id',
      ),
    )
    .addOption(new Option('--owner <principal>', 'give it to this one'));
  return runs<AccessFlags>(command, invocation, async (flags, [collection = '']) => {
    const { terminal } = invocation;
    const { notTold = [], ...access } = await withClient<Told>(terminal, flags, async (client) => {
      await held(client, collection);
      if (flags.readers === undefined && flags.owner === undefined)
        return await shownAccess(client, collection);
      const body: IngestBody = {
        ...{ op: 'access', collection },
        ...(flags.readers !== undefined && { readers: await readersOf(client, flags.readers) }),
        ...(flags.owner !== undefined && { owner: (await principalsOf(client, [flags.owner]))[0] }),
      };
      const told = accessed(...(await ingest(client, terminal, body, false)));
      // Else one that is behind would answer whom it should not, while its owner is away.
      const { shards } = await collectionNamed(client, collection);
      const { leftOut } = await ingestCopies(client, { ...body, ...ofCopies(told) }, shards);
      return { ...told, notTold: leftOut };
    });
    const left = notTold.length > 0 && { notTold };
    if (flags.json) printJson(terminal, { collection, ...access, ...left });
    else {
      terminal.out(`${accessLine(access)}\n`);
      for (const { number, machine, why } of notTold)
        terminal.out(
          `not told: the copy of shard ${number} on ${printable(machine || 'no machine')} (${printable(why)}): until it is brought this, it answers as before while its owner is away\n`,
        );
    }
    return 0;
  });
}

/** All of it: they may lack what was said before. */
function ofCopies({ owner, readers }: AccessResult): Partial<Extract<IngestBody, { op: 'access' }>> {
  return { readers, ...(owner !== null && { owner: owner as PrincipalId }) };
}

interface Told extends AccessResult {
  readonly notTold?: readonly CopyLeftOut[];
}

async function shownAccess(client: Client, collection: string): Promise<AccessResult> {
  const [found] = (await collectionsOf(client, collection)).collections;
  return { owner: found?.owner ?? null, readers: found?.readers ?? 'everyone' };
}

function accessLine({ owner, readers }: AccessResult): string {
  const whose =
    owner === null ? 'nobody is known to own it: admins change it' : `${owner} owns and changes it`;
  const beside = typeof readers === 'string' ? readers : `its owner, ${readers.join(', ')}`;
  return `${whose}; asked by ${readers === 'owner' ? 'its owner' : beside}`;
}

async function readersOf(client: Client, text: string): Promise<Readers> {
  if (text === 'everyone' || text === 'owner') return text;
  const names = [...new Set(text.split(',').map((name) => name.trim()))];
  if (names.includes('') || names.length > limits.collectionReaders)
    throw new UsageError(
      `--readers: found ${JSON.stringify(text)}, expected everyone, owner, or 1 to ${limits.collectionReaders} principals or roles with commas between`,
    );
  const persons = withoutRoles(names);
  if (persons === 'everyone') return persons;
  // Admins may ask what is its owner's alone.
  return persons.length === 0 ? 'owner' : [...(await principalsOf(client, persons))];
}

/** Names are looked up, which admins alone may. */
async function principalsOf(client: Client, names: readonly string[]): Promise<readonly PrincipalId[]> {
  const isId = (name: string): name is PrincipalId => principalName.parse(name) !== undefined;
  if (names.every(isId)) return names;
  const known = await client.request('principals', { limit: limits.queryRows }).catch((error: unknown) => {
    if (error instanceof GridError && error.failure.code === 'rejected.forbidden')
      throw new GridError(
        failure(
          'rejected.forbidden',
          'names are looked up for admins alone: expected ids such as p-0123456789abcdef',
        ),
      );
    throw error;
  });
  return names.map((name) => {
    if (isId(name)) return name;
    const meant = known.filter((one) => one.name === name);
    const [one] = meant;
    if (one !== undefined && meant.length === 1) return one.id as PrincipalId;
    throw new GridError(
      one === undefined
        ? unknownName(
            'principal',
            name,
            known.map((other) => other.name),
            'grid principal ls',
          )
        : several(name, meant),
    );
  });
}

function several(name: string, meant: readonly { readonly id: string }[]): Failure {
  const ids = meant.map(({ id }) => id).join(', ');
  return failure(
    'rejected.invalid',
    `${JSON.stringify(name)} is the name of several, expected one of ${ids}`,
  );
}
