import { fileURLToPath } from 'node:url';

/** The folder of package.json: everything that is run by a relative path runs there. */
export const PROJECT_DIR = fileURLToPath(new URL('..', import.meta.url));
