/** What a file of providers may hold, where each mistake is said to be, and that no key is told. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from './problem.ts';
import { loadProviders } from './providers-file.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-providers-'));
});
afterEach(() => rmSync(home, { recursive: true }));

const env = { LAB_KEY: 'sk-lab', BAD_KEY: 'sk bad\n', NO_KEY: '' };

function load(text: string) {
  writeFileSync(join(home, 'providers.yaml'), text.replaceAll('HOME', home));
  return loadProviders(home, env);
}

function problems(text: string): readonly string[] {
  try {
    load(text);
  } catch (error) {
    if (error instanceof UsageError) return error.lines.map((line) => line.replaceAll(`${home}/`, ''));
    throw error;
  }
  throw new Error('nothing was wrong');
}

function keyFile(text: string, mode = 0o600): void {
  const path = join(home, 'key');
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
}

describe('a file of providers', () => {
  it('need not be there', () => {
    expect(loadProviders(home, env)).toEqual({ providers: [], models: new Map() });
  });

  it('says where each is, by which key, and which is asked for what', () => {
    keyFile('sk-claude\n');
    const { providers, models } = load(`
providers:
  lab: { url: http://10.0.0.5:11434/v1/, keyEnv: LAB_KEY, timeout: 30s }
  claude: { api: anthropic, url: https://api.anthropic.com/v1, keyFile: HOME/key }
models:
  large: [lab/hf.co/qwen:14b, claude/claude-large]
`);
    expect(providers).toEqual([
      { name: 'lab', api: 'openai', url: 'http://10.0.0.5:11434/v1', key: 'sk-lab', timeoutMs: 30_000 },
      {
        ...{ name: 'claude', api: 'anthropic', url: 'https://api.anthropic.com/v1' },
        ...{ key: 'sk-claude', timeoutMs: 120_000 },
      },
    ]);
    expect(models.get('large')).toEqual([
      { provider: 'lab', model: 'hf.co/qwen:14b' },
      { provider: 'claude', model: 'claude-large' },
    ]);
  });

  it('is refused in words, with the place, and without a key', () => {
    expect(problems('providers: { lab: { api: openai } }\nmodels: { large: [], other: [cloud/x] }')).toEqual([
      'providers.yaml:1:14: providers.lab: expected a url',
      'providers.yaml:2:11: models.large: found none, expected a PROVIDER/MODEL',
      'providers.yaml:2:30: models.other: there is no provider cloud in this file',
    ]);
    const at = (more: string) => problems(`providers: { lab: { url: "http://x/v1", ${more} } }`).join();
    expect(at('keyEnv: BAD_KEY')).toMatch(
      /keyEnv: BAD_KEY of the environment holds what is no key, expected one$/,
    );
    expect(at('keyEnv: NO_KEY')).toMatch(/NO_KEY of the environment holds nothing, expected one$/);
    expect(at('keyFile: HOME/none')).toContain('no such file');
    expect(at('key: sk-open')).toMatch(/found unknown key "key", expected "keyEnv"|one of api, url/);
    keyFile('sk-claude', 0o644);
    expect(at('keyFile: HOME/key')).toContain('others may read key: chmod 600 it');
    expect(problems('providers: { lab: { url: "http://me:secret@x/v1" } }').join()).toMatch(
      /expected an http or https URL .* and no key in it/,
    );
    expect(problems('models: { large: [lab] }').join()).toContain('expected PROVIDER/MODEL');
  });
});
