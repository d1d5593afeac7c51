import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['node_modules', '.data', 'build', 'coverage', '**/*.mjs', 'eslint.config.js'] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      // Objection's `declare` fields and rows of raw SQL come as `any` from their libraries.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'no-console': 'off',
    },
  },
  {
    // Served to browsers as they are. Whether a name exists is asked by the type check (tsconfig.pages.json).
    files: ['web/booking/assets/*.js'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: 'tsconfig.pages.json', tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
      eqeqeq: 'error',
      'no-self-compare': 'error',
      'no-unreachable': 'error',
      'no-unsafe-finally': 'error',
      // The pages' policy forbids them, and so no test would see what they do.
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      // The types of the API's answers bring Node's along.
      'no-restricted-globals': ['error', 'process', 'Buffer', 'global', 'require', 'module', 'setImmediate'],
      'max-lines': ['error', 250],
    },
  },
  {
    files: [
      'test/**/*.ts',
      'bench/**/*.ts',
      'dev/**/*.ts',
      'stripe-emulator/**/*.ts',
      'api/routes/**/*.ts',
      'web/staff/**/*.tsx',
    ],
    // A suite, and the list of routes of one subject, are lists: their length is no complexity.
    rules: { 'max-lines-per-function': 'off' },
  },
);
