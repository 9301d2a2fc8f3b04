/**
 * Who may ask a collection, by role: what a role can do anyway settles what it means here.
 *
 * 1. Admins may always; who submits tasks (a person, or a program that acts for one) is everyone; other roles submit none, and so
 *    ask nothing.
 */
import { UsageError } from '../problem.ts';

const prefix = 'role:';

/** `everyone`, or those that are named as persons, beside the owner and admins: none are left where roles alone were named. */
export function withoutRoles(names: readonly string[]): 'everyone' | readonly string[] {
  const roles = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  for (const role of roles)
    if (role !== 'submitter' && role !== 'admin')
      throw new UsageError(
        `--readers: found ${JSON.stringify(prefix + role)}, expected role:submitter or role:admin: no other role asks collections`,
      );
  return roles.includes('submitter') ? 'everyone' : names.filter((name) => !name.startsWith(prefix));
}
