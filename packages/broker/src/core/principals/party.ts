/** For whom a principal asks: the gateway's, for each of its keys. They take turns; to limits and rights they are one. */
import { type Envelope, isEphemeral, type PrincipalId, type TaskId } from '@gryphgen/protocol';

/** '' where nothing is said, and of durable tasks: what those of a party had is not journaled. */
export function partyOf({ party = '' }: Pick<Envelope, 'party'>, id: TaskId): string {
  return isEphemeral(id) ? party : '';
}

/** No principal has a space in its name. */
export function nameWithParty(principal: PrincipalId | '', party: string): string {
  return party === '' ? principal : `${principal} ${party}`;
}
