import { fileURLToPath } from 'node:url';

/** The folder of package.json: everything that is run by a relative path runs there. */
export const projectDir = fileURLToPath(new URL('..', import.meta.url));

/** @public The name of before. */
export { projectDir as PROJECT_DIR };
