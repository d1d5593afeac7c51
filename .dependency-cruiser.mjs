// Which folder may import which (docs/architecture.md), in types as in code: `npm run check:borders`.

/** Each folder of the service, and the folders that it may import. */
const mayImport = {
  domain: [],
  db: ['domain'],
  core: ['db', 'domain'],
  http: ['core', 'db', 'domain'],
  web: ['http', 'core', 'db', 'domain'],
  api: ['web', 'http', 'core', 'db', 'domain', 'workflows'],
  activities: ['core', 'db', 'domain'],
  workflows: ['activities', 'domain'],
  worker: ['activities', 'workflows', 'core', 'db', 'domain'],
};
const service = Object.keys(mayImport);

/** The files at the top, and the folders that may import them; `db/` and below are given what they need. */
const topFiles = {
  config: ['web', 'api', 'worker'],
  log: ['api', 'worker'],
  'process-end': ['api', 'worker'],
  'program-arguments': ['api', 'worker'],
};

/** Folders that use the service. The service imports nothing from them. */
const outside = ['dev', 'test', 'bench', 'commands', 'ops', 'stripe-emulator'];

const inFolders = (names) => `^(${names.join('|')})/`;

const folderRules = Object.entries(mayImport).map(([folder, allowed]) => ({
  name: `${folder}-imports`,
  comment: `Of the service, ${folder}/ may import ${allowed.join(', ') || 'nothing but itself'}.`,
  severity: 'error',
  from: { path: inFolders([folder]) },
  to: { path: inFolders(service), pathNot: inFolders([folder, ...allowed]) },
}));

const topFileRules = Object.entries(topFiles).map(([file, folders]) => ({
  name: `who-imports-${file}`,
  comment: `${file}.ts is for ${folders.join(', ')}; other folders are given what they need.`,
  severity: 'error',
  from: { path: inFolders(service), pathNot: inFolders(folders) },
  to: { path: `^${file}\\.ts$` },
}));

export default {
  forbidden: [
    ...folderRules,
    ...topFileRules,
    {
      name: 'outside',
      comment: 'The service knows nothing of development, tests, benchmarks and commands.',
      severity: 'error',
      from: { pathNot: inFolders(outside) },
      to: { path: inFolders(outside) },
    },
    {
      name: 'workflows-take-types-of-activities',
      comment: 'A workflow runs in the sandbox of Temporal, where the code of an activity cannot run.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'workflows-without-node',
      comment: 'The sandbox of Temporal has no modules of Node.',
      severity: 'error',
      from: { path: '^workflows/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'emulator-apart',
      comment: 'The emulator is a package of its own: it imports only its own files and modules of Node.',
      severity: 'error',
      from: { path: '^stripe-emulator/src/' },
      to: { pathNot: '^stripe-emulator/src/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'emulator-tests-apart',
      comment: 'The tests of the emulator import its files and packages, and nothing of the service.',
      severity: 'error',
      from: { path: '^stripe-emulator/test/' },
      to: { pathNot: '^(stripe-emulator|node_modules)/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'emulator-only-for-outside',
      comment: 'The emulator is started by development, tests and benchmarks.',
      severity: 'error',
      from: { pathNot: inFolders(['stripe-emulator', 'dev', 'test', 'bench']) },
      to: { path: '^stripe-emulator/' },
    },
    {
      name: 'browser-files-apart',
      comment: 'A browser gets only the files of this folder.',
      severity: 'error',
      from: { path: '^web/booking/assets/' },
      to: { pathNot: '^web/booking/assets/[^/]+\\.js$' },
    },
    {
      name: 'config-is-one-door',
      comment: 'Settings are read by config.ts only; it is the door to config/.',
      severity: 'error',
      from: { path: inFolders(service) },
      to: { path: '^config/' },
    },
    {
      name: 'no-circle-of-files',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-circle-of-folders',
      severity: 'error',
      scope: 'folder',
      // The module `http` of Node is taken for the folder here; a circle of the folder is reported from the other end.
      from: { pathNot: '^http$' },
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // A circle of types is a circle as well.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
