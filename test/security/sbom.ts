import { answerToArguments } from '../../program-arguments.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from '../../dev/project-dir.ts';

/** An entry of `packages` in package-lock.json (https://docs.npmjs.com/cli/v11/configuring-npm/package-lock-json). */
interface Locked {
  version: string;
  name?: string;
  integrity?: string;
  license?: string;
  dev?: boolean;
  link?: boolean;
  optional?: boolean;
}

export interface Component {
  type: 'library';
  name: string;
  version: string;
  purl: string;
  scope: 'required' | 'optional';
  hashes?: { alg: 'SHA-512'; content: string }[];
  licenses?: { expression: string }[];
}

/**
 * The bill of materials of what runs in production, CycloneDX 1.5, out of the lock file alone. npm's own `sbom`
 * is not used: with `--omit dev` it leaves out what a development tool needs too, Temporal's packages among them
 * (npm 11.19).
 */
export function printBill(): { bomFormat: string; specVersion: string; version: 1; components: Component[] } {
  const text = readFileSync(join(projectDir, 'package-lock.json'), 'utf8');
  const { packages } = JSON.parse(text) as { packages: Record<string, Locked> };
  const components = new Map<string, Component>();
  for (const [path, locked] of Object.entries(packages)) {
    // The project itself and its workspaces lie outside node_modules.
    if (!path.includes('node_modules/') || locked.dev || locked.link) continue;
    const component = componentOf(path, locked);
    components.set(component.purl, component);
  }
  const sorted = [...components.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
  return { bomFormat: 'CycloneDX', specVersion: '1.5', version: 1, components: sorted };
}

function componentOf(
  path: string,
  { name: alias, version, integrity, license, optional }: Locked,
): Component {
  const name = alias ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const sha512 = /^sha512-(\S+)/.exec(integrity ?? '')?.[1];
  return {
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    scope: optional ? 'optional' : 'required',
    ...(sha512 && { hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }] }),
    ...(license && { licenses: [{ expression: license }] }),
  };
}

if (import.meta.filename === process.argv[1]) {
  const help = 'npm run sbom\n\nPrints the bill of materials of package-lock.json as CycloneDX JSON.';
  const answer = answerToArguments(help, process.argv.slice(2));
  console.log(answer ? answer.text : JSON.stringify(printBill(), null, 2));
  process.exitCode = answer?.exitCode ?? 0;
}
