/** Randomness as an argument. The system's is cryptographic throughout: it also makes nonces and session ids. */
import { randomBytes } from 'node:crypto';

export interface Random {
  bytes(count: number): Buffer;
  /** At least 0, less than 1. */
  number(): number;
}

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  number: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
};
