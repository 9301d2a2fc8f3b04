/** Who asks, and whether they may: the key of a request. */
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiKey, ApiKeys, ApiScope, Clock } from '@gryphgen/runtime';
import { ApiError } from './api-error.ts';

/** Longer than any key, so that a long header costs nothing. */
const mostKeyChars = 128;

/** Throws ApiError: 401 without a key that is good, 403 where it is for something else. */
export function keyHolder(
  headers: IncomingHttpHeaders,
  scope: ApiScope,
  keys: ApiKeys,
  clock: Clock,
): ApiKey {
  const sent = keyIn(headers);
  if (sent === undefined) {
    const make = readable(() => keys.isEmpty) ? '; none was made yet: "grid key create" makes one' : '';
    throw refusal(401, 'missing_api_key', `expected a key in "Authorization: Bearer gg-…"${make}`);
  }
  const key = sent.length > mostKeyChars ? undefined : readable(() => keys.find(sent));
  if (key === undefined)
    throw refusal(401, 'invalid_api_key', 'this key is unknown or revoked: "grid key create" makes another');
  if (key.expiresAt !== undefined && key.expiresAt <= clock.wall())
    throw refusal(401, 'invalid_api_key', `${key.id} has expired: "grid key create" makes another`);
  if (!key.scopes.includes(scope)) {
    const words = `${key.id} is for ${key.scopes.join(', ')}, not for ${scope}: "grid key create --scope ${scope}" makes one that is`;
    throw refusal(403, 'missing_scope', words);
  }
  return key;
}

/** What is wrong with the list is for the log, not for a stranger. */
function readable<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw new Error('the list of keys cannot be read', { cause: error });
  }
}

function keyIn({ authorization, 'x-api-key': other }: IncomingHttpHeaders): string | undefined {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
  return bearer ?? (typeof other === 'string' && other !== '' ? other : undefined);
}

function refusal(status: 401 | 403, code: string, message: string): ApiError {
  const type = status === 401 ? 'authentication_error' : 'permission_error';
  return new ApiError({ status, type, code, message });
}
