import type { ProcessSpec } from '../processes.ts';
import { projectDir } from '../project-dir.ts';

/** A script of the project, to be run as a process. */
export interface NodeProcess {
  name: string;
  /** Its path in the project. */
  script: string;
  env: NodeJS.ProcessEnv;
  args?: readonly string[];
  /** Modules that Node imports before the script. */
  preloads?: readonly string[];
  /** Further arguments of Node, e.g. `--cpu-prof`. */
  nodeArgs?: readonly string[];
}

/** A script of the project as a process that ends when its starter does. */
export function nodeProcess(options: NodeProcess): ProcessSpec {
  const { name, script, env, args = [], preloads = [], nodeArgs = [] } = options;
  const imports = ['./dev/die-with-parent.mjs', ...preloads, 'tsx'].flatMap((module) => ['--import', module]);
  return {
    name,
    command: process.execPath,
    args: [...nodeArgs, ...imports, script, ...args],
    cwd: projectDir,
    env,
  };
}

/** The environment of a process that must not inherit settings. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR && { TMPDIR }) };
}
