import { PROJECT_DIR } from '../project-dir.ts';
import type { ProcessSpec } from '../processes.ts';

/**
 * A script of the project as a process that ends when its starter does.
 *
 * @param options.args     arguments of the script
 * @param options.preloads modules that Node imports before the script
 * @param options.nodeArgs further arguments of Node, e.g. `--cpu-prof`
 */
export function nodeProcess(options: {
  name: string;
  script: string;
  env: NodeJS.ProcessEnv;
  args?: readonly string[];
  preloads?: readonly string[];
  nodeArgs?: readonly string[];
}): ProcessSpec {
  const { name, script, env, args = [], preloads = [], nodeArgs = [] } = options;
  const imports = ['./dev/die-with-parent.mjs', ...preloads, 'tsx'].flatMap((module) => ['--import', module]);
  return {
    name,
    command: process.execPath,
    args: [...nodeArgs, ...imports, script, ...args],
    cwd: PROJECT_DIR,
    env,
  };
}

/** The environment of a process that must see no setting of its starter's. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }) };
}
