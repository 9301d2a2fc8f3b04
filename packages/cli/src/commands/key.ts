/** Keys of the gateway's HTTP API: key create|ls|revoke. They act for whoever makes them. */
import { userInfo } from 'node:os';
import { loadMembership } from '@gryphgen/client';
import { formatDuration, limits, type PrincipalId, parseBytes } from '@gryphgen/protocol';
import {
  type ApiScope,
  apiKeyLimits,
  apiScopes,
  createApiKey,
  listApiKeys,
  loadIdentity,
  principalIdOf,
  revokeApiKey,
  systemRandom,
} from '@gryphgen/runtime';
import { Argument, Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { apiKeyJson, apiKeyTable } from '../render/key-view.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { apiKeyTtl, integer, name, principalName, priority, type Value } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';

interface CreateFlags extends CommonFlags {
  readonly name?: string;
  readonly scope?: readonly ApiScope[];
  readonly rate?: number;
  readonly concurrent?: number;
  readonly maxBody?: number;
  readonly priority?: number;
  readonly ttl?: number;
  readonly principal?: string;
}

/** What a key is for unless it is said; metrics tell of everybody's requests. */
const usualScopes: readonly ApiScope[] = ['infer', 'embed', 'rerank', 'models'];
/** What somebody may do who may only look. */
const viewerScopes: readonly ApiScope[] = ['models', 'metrics'];

const scopes: Value<readonly ApiScope[]> = {
  expected: `some of ${apiScopes.join(', ')}, separated by commas`,
  parse: (written) => {
    const found = written.split(',').map((word) => apiScopes.find((scope) => scope === word.trim()));
    return found.every((scope) => scope !== undefined) ? [...new Set(found)] : undefined;
  },
};

const bodySize: Value<number> = {
  expected: 'a size from 1 byte to 16MiB',
  parse: (written) => {
    const bytes = parseBytes(written) ?? 0;
    return bytes >= 1 && bytes <= limits.questionBytes ? bytes : undefined;
  },
};

export function keyCommand(invocation: Invocation): Command {
  return new Command('key')
    .description('Keys with which programs ask the gateway.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid key create --name laptop')
    .addCommand(createCommand(invocation))
    .addCommand(lsCommand(invocation))
    .addCommand(revokeCommand(invocation));
}

function createCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'create',
    'Make a key and print it, this once. What is asked with it is asked in your name.',
    'key create --name laptop',
    'key create --scope embed,models --rate 600 --ttl 30d',
  )
    .addOption(flagOf('--name <name>', 'what it is for, to know it again', name))
    .addOption(flagOf('--scope <scopes>', `what it may ask (default: ${usualScopes.join(',')})`, scopes))
    .addOption(flagOf('--rate <count>', 'requests a minute', integer(1, apiKeyLimits.perMinute)))
    .addOption(flagOf('--concurrent <count>', 'requests at a time', integer(1, apiKeyLimits.concurrent)))
    .addOption(flagOf('--max-body <size>', 'of one request, such as 1MiB', bodySize))
    .addOption(flagOf('--priority <number>', 'of its requests, -100 to 100', priority))
    .addOption(flagOf('--ttl <duration>', 'how long it is good (default: until it is revoked)', apiKeyTtl))
    .addOption(flagOf('--principal <principal>', 'whom it acts for, at a gateway of its own', principalName));
  return runs<CreateFlags>(command, invocation, async (flags) => {
    const { home } = settingsOf(terminal, flags);
    const { principal, role } = whose(home, flags.principal);
    const { rate: perMinute, concurrent, maxBody: bodyBytes, ttl } = flags;
    const wanted = flags.scope ?? (role === 'viewer' ? viewerScopes : usualScopes);
    const beyond = wanted.find((scope) => role === 'viewer' && !viewerScopes.includes(scope));
    if (beyond !== undefined)
      throw new UsageError(
        `--scope: found ${beyond}, and a viewer asks for ${viewerScopes.join(', ')} alone`,
      );
    const createdAt = Date.now();
    const made = await createApiKey(
      home,
      {
        name: flags.name ?? userInfo().username,
        principal,
        role,
        scopes: [...wanted],
        createdAt,
        ...(perMinute !== undefined && { perMinute }),
        ...(concurrent !== undefined && { concurrent }),
        ...(bodyBytes !== undefined && { bodyBytes }),
        ...(flags.priority !== undefined && { priority: flags.priority }),
        ...(ttl !== undefined && { expiresAt: createdAt + ttl }),
      },
      systemRandom,
    );
    if (flags.json) printJson(terminal, made);
    else {
      terminal.out(`${made.key}\n`);
      const good = ttl === undefined ? 'until it is revoked' : `for ${formatDuration(ttl)}`;
      terminal.err(`${made.id}: good ${good}, for ${wanted.join(', ')}; it is shown this once\n`);
    }
    return 0;
  });
}

/** A home that joined as a delegate acts for nobody by itself. */
function whose(
  home: string,
  named: string | undefined,
): { readonly principal: PrincipalId; readonly role: 'submitter' | 'viewer' } {
  const { role } = loadMembership(home);
  if (role === 'delegate') {
    if (named === undefined)
      throw new UsageError(
        '--principal: this home acts for others: say for whom, as "grid principal ls" lists them',
      );
    return { principal: named as PrincipalId, role: 'submitter' };
  }
  if (role === 'worker')
    throw new UsageError(`${home} has joined as a worker: keys are made where the gateway runs`);
  const own = principalIdOf(loadIdentity(home, role).key);
  if (named !== undefined && named !== own && role !== 'admin')
    throw new UsageError(`--principal: found ${named}, and this home is ${own}’s`);
  return { principal: (named ?? own) as PrincipalId, role: role === 'viewer' ? 'viewer' : 'submitter' };
}

function lsCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary = 'List the keys that were made and not revoked. What they are is shown to nobody.';
  const command = gridCommand('ls', summary, 'key ls', 'key ls --json');
  return runs<CommonFlags>(command, invocation, async (flags) => {
    const keys = listApiKeys(settingsOf(terminal, flags).home);
    if (flags.json) printJson(terminal, keys.map(apiKeyJson));
    else for (const line of apiKeyTable(keys, Date.now(), terminal.columns)) terminal.out(`${line}\n`);
    return 0;
  });
}

function revokeCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const id = new Argument('<id>', 'as "grid key ls" lists it').argParser((written) => {
    if (/^key-[0-9a-f]{16}$/.test(written)) return written;
    throw new UsageError(
      `found ${JSON.stringify(written.slice(0, 60))}, expected a key’s id such as key-0123456789abcdef`,
    );
  });
  const summary = 'Refuse a key from now on; what was asked with it and runs goes on.';
  const command = gridCommand('revoke', summary, 'key revoke key-0123456789abcdef').addArgument(id);
  return runs<CommonFlags>(command, invocation, async (flags, [key = '']) => {
    await revokeApiKey(settingsOf(terminal, flags).home, key);
    if (flags.json) printJson(terminal, { revoked: key });
    else terminal.out(`${key} is revoked\n`);
    return 0;
  });
}
