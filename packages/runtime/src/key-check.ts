/** Whether a key file can do what keys are for: a flipped bit in a secret half leaves a file that looks whole. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GridError } from '@gryphgen/protocol';
import { listApiKeys } from './api-keys.ts';
import { AuthorizedKeys } from './authorized.ts';
import { loadIdentity, publicHalf, verifySignature } from './keys.ts';
import { decodeZ85, encodeZ85 } from './z85.ts';

const probe = Buffer.from('GG-KEY-CHECK');

/** What is wrong with `keys/<name>.json` in `home`, in words; undefined when it is sound. The file is there. */
export function keyTrouble(home: string, name: string): string | undefined {
  if (!existsSync(join(home, 'keys', `${name}.json`))) throw new Error(`there is no key ${name} in ${home}`);
  return troubleOf(() => {
    const { key, curve, sign } = loadIdentity(home, name);
    if (!verifySignature(key, probe, sign(probe)))
      return 'its signing key does not belong to its public half';
    const secret = decodeZ85(curve.secretKey);
    const isPair = secret !== undefined && encodeZ85(publicHalf('x25519', secret)) === curve.publicKey;
    return isPair ? undefined : 'its CURVE key does not belong to its public half';
  });
}

/** The same of the list of who may enter. */
export function authorizedTrouble(home: string): string | undefined {
  return troubleOf(() => {
    new AuthorizedKeys(home);
    return undefined;
  });
}

/** And of the keys of the gateway. */
export function apiKeysTrouble(home: string): string | undefined {
  return troubleOf(() => {
    listApiKeys(home);
    return undefined;
  });
}

function troubleOf(work: () => string | undefined): string | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof GridError) return error.message;
    // Node refuses halves that are no pair when it reads them.
    if (error instanceof Error && 'code' in error) return error.message;
    throw error;
  }
}
