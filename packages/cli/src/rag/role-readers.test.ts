import { expect, it } from 'vitest';
import { withoutRoles } from './role-readers.ts';

it('who submits tasks is everyone, admins may anyway, and persons are named beside them', () => {
  expect(withoutRoles(['role:submitter', 'ann'])).toBe('everyone');
  expect(withoutRoles(['role:admin'])).toEqual([]);
  expect(withoutRoles(['role:admin', 'ann', 'p-0123456789abcdef'])).toEqual(['ann', 'p-0123456789abcdef']);
});

it.each(['role:viewer', 'role:worker', 'role:', 'role:Admin'])('%s asks nothing', (name) => {
  expect(() => withoutRoles(['ann', name])).toThrow('expected role:submitter or role:admin');
});
