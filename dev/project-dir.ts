import { fileURLToPath } from 'node:url';

/** The folder of package.json: commands with relative paths run there. */
export const projectDir = fileURLToPath(new URL('..', import.meta.url));
