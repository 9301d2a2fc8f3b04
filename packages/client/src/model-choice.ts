/** Which model of the grid is meant, by its name or because there is no other; what cannot be meant is told with what can. */
import { failure, GridError, type ModelDocument, type ModelUse, unknownName } from '@gryphgen/protocol';

/** In an error; more are counted. */
const namedMost = 10;

/** Throws GridError `rejected.not-found`, with the name that was meant. */
export function modelNamed(models: readonly ModelDocument[], name: string): ModelDocument {
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found;
  const names = models.map((model) => model.name);
  throw new GridError(unknownName('model', name, names, 'grid models ls'));
}

/** Without a name: the only one of that use. Throws GridError: none, several, or one for something else. */
export function modelFor(models: readonly ModelDocument[], use: ModelUse, name?: string): ModelDocument {
  const does = doing[use];
  if (name !== undefined) {
    const model = modelNamed(models, name);
    if (model.use === use) return model;
    throw new GridError(
      failure('rejected.invalid', `${name} is a model for ${model.use}: it does not ${does.verb}`),
    );
  }
  const [only, ...more] = models.filter((model) => model.use === use);
  if (only === undefined)
    throw new GridError(
      failure(
        'rejected.not-found',
        `there is no model that ${does.verbs}: "grid models add NAME FILE.gguf" adds one`,
      ),
    );
  if (more.length === 0) return only;
  const names = [only, ...more].slice(0, namedMost).map((model) => model.name);
  const rest = more.length >= namedMost ? ` and ${more.length + 1 - namedMost} others` : '';
  throw new GridError(
    failure(
      'rejected.invalid',
      `there are several models that ${does.verb}, expected one of ${names.join(', ')}${rest}`,
    ),
  );
}

const doing: Readonly<Record<ModelUse, { readonly verb: string; readonly verbs: string }>> = {
  infer: { verb: 'write', verbs: 'writes' },
  embed: { verb: 'embed', verbs: 'embeds' },
  rerank: { verb: 'rank', verbs: 'ranks' },
};
