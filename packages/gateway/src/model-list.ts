/** The grid's models in OpenAI's words, and what is said of one that it has not. */
import { nearest } from '@gryphgen/protocol';
import { ApiError } from './api-error.ts';
import type { ListedModel } from './grid-door.ts';

export function modelObject({ name, addedAt, owner, use, serving, instances }: ListedModel): object {
  return {
    id: name,
    object: 'model',
    created: Math.floor(addedAt / 1000),
    owned_by: owner,
    use,
    ...(serving && {
      context_length: serving.slotTokens,
      ready: instances.filter(({ state }) => state === 'ready').length,
    }),
  };
}

export function modelList(models: readonly ListedModel[]): object {
  return { object: 'list', data: models.map(modelObject) };
}

const namedMost = 10;

export function unknownModel(model: string, models: readonly Pick<ListedModel, 'name'>[]): ApiError {
  const names = models.map(({ name }) => name);
  const near = nearest(model, names);
  const some = names.slice(0, namedMost).join(', ');
  const more = names.length > namedMost ? `, … (${names.length})` : '';
  const have =
    names.length === 0
      ? 'there is none yet: "grid models add NAME FILE.gguf" adds one'
      : near === undefined
        ? `there are ${some}${more}`
        : `did you mean ${near}?`;
  return new ApiError({
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: 'model',
    message: `there is no model ${model}; ${have}`,
  });
}
