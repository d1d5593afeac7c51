import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { emulatorKeys } from 'stripe-emulator';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../config.ts';
import {
  type ComposeFile,
  configNames,
  copiedInto,
  exampleEnv,
  exampleNames,
  findUnquoted,
  interpolate,
  read,
  readCompose,
  root,
  seconds,
  type Service,
  sourcesOf,
  variablesOf,
} from '../compose-kit.ts';

const baseFile = 'docker-compose.yml';
const emulatorFile = 'docker-compose.emulator.yml';
const base = readCompose(baseFile);
const emulated = readCompose(emulatorFile);
/** As Compose merges the two files: maps by key. */
const merged = Object.fromEntries(
  [...new Set([...Object.keys(base.services), ...Object.keys(emulated.services)])].map((name) => {
    const [first, second] = [base.services[name] ?? {}, emulated.services[name] ?? {}];
    const environment = { ...first.environment, ...second.environment };
    return [
      name,
      { ...first, ...second, environment, depends_on: { ...first.depends_on, ...second.depends_on } },
    ];
  }),
) as Record<string, Service>;
const services = Object.entries(merged);

/** The environment that a service is started with. */
const environmentOf = (service: Service | undefined, env: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(service?.environment ?? {}).map(([name, value]) => [
      name,
      interpolate(String(value ?? ''), env),
    ]),
  );

const productionEnv = {
  POSTGRES_PASSWORD: 'p1',
  BOOKING_OWNER_PASSWORD: 'o1',
  BOOKING_APP_PASSWORD: 'a1',
  TEMPORAL_DB_PASSWORD: 't1',
  SECRET_KEY: 'abcdefghijklmnopqrstuvwxyz0123456789',
  CLEANUP_TOKEN: 'cleanup-token-of-a-test',
  STRIPE_SECRET_KEY: 'sk_live_x',
  STRIPE_WEBHOOK_SECRET: 'whsec_x',
};

describe('docker compose', () => {
  it.each([baseFile, emulatorFile])(
    '%s has every text in quotes, so that YAML reads nothing else',
    (path) => {
      expect(findUnquoted(read(path))).toEqual([]);
    },
  );

  it.each([
    ['a colon and a space', 'test: [CMD, node, -e, f(r.ok ? 0: 1)]'],
    ['the same, on a line of its own', 'test:\n  - exit(r.ok ? 0: 1)'],
    ['a number', 'environment: { DB_PORT: 5432 }'],
    ['a switch', 'environment: { DEBUG: true }'],
    ['nothing', 'environment:\n  DEBUG:'],
  ])('a text that YAML reads as something else is found: %s', (_, text) => {
    expect(findUnquoted(text).length).toBeGreaterThan(0);
  });

  it('builds every image once, from a stage that exists, and pins all others', () => {
    const builds = services.filter(([, { build }]) => build);
    const built = builds.map(([, { image }]) => image);
    expect(new Set(built).size).toBe(built.length);
    for (const [name, { image, build }] of services) {
      if (build) expect(read('Dockerfile'), name).toMatch(new RegExp(`^FROM \\S+ AS ${build.target}$`, 'm'));
      else if (!built.includes(image)) expect(image, name).toMatch(/^[\w./-]+:\d+\.\d+[\w.-]*$/);
    }
    const stages = [...read('Dockerfile').matchAll(/^FROM (\S+) AS (\S+)$/gm)];
    expect(stages.length).toBeGreaterThan(0);
    for (const [, from = ''] of stages.filter(([, from]) => !stages.some(([, , stage]) => stage === from))) {
      expect(from).toMatch(/^[\w./-]+:\d+\.\d+\.?\d*[\w.-]*$/);
    }
  });

  it('runs the server and the tools of Temporal in one version', () => {
    const versions = [...read('Dockerfile').matchAll(/^FROM temporalio\/[\w-]+:(\S+)/gm)];
    expect(new Set(versions.map(([, version]) => version)).size).toBe(1);
  });

  it('starts only programs that exist and are in the image', () => {
    const scripts = services.flatMap(([name, { command = [], entrypoint = [], image }]) =>
      [...command, ...entrypoint]
        .filter((part) => /\.(ts|sh)$/.test(part))
        .map((script) => ({ name, script, image })),
    );
    expect(scripts.map(({ name }) => name).sort()).toEqual([
      'api',
      'migrate',
      'seed',
      'temporal-namespace',
      'temporal-schema',
      'worker',
    ]);
    for (const { script, image } of scripts) {
      const { build } =
        services.map(([, service]) => service).find((one) => one.build && one.image === image) ?? {};
      const copied = copiedInto(build?.target ?? '');
      // A path of ours, or where a COPY puts a file of that name.
      const isCopied = copied.some(
        (part) =>
          script === part ||
          script.startsWith(`${part}/`) ||
          script === `/usr/local/bin/${part.split('/').at(-1)}`,
      );
      expect(isCopied, script).toBe(true);
    }
  });

  it.each(['service', 'stripe-emulator'])(
    'copies what the image %s imports, and .dockerignore lets it through',
    (stage) => {
      const copied = copiedInto(stage);
      const inImage = (path: string) => copied.some((part) => path === part || path.startsWith(`${part}/`));
      const allowed = read('.dockerignore')
        .split('\n')
        .filter((line) => line.startsWith('!'));
      for (const part of copied) {
        expect(existsSync(join(root, part)), part).toBe(true);
        expect(allowed, part).toContain(`!${part}`);
      }
      const sources = copied.flatMap((part) => sourcesOf(part)).filter((path) => /\.tsx?$/.test(path));
      expect(sources.length).toBeGreaterThan(20);
      for (const source of sources) {
        for (const [, specifier = ''] of read(source).matchAll(/from '(\.{1,2}\/[^']+)'/g)) {
          const path = join(dirname(source), specifier);
          expect(inImage(path), `${source} imports ${path}`).toBe(true);
        }
      }
    },
  );

  it('mounts no file of the checkout: under umask 077 the processes in the containers could not read it', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes);
    expect(mounts).toEqual(['postgres-data:/var/lib/postgresql', 'stripe-data:/data']);
  });

  it('sets the modes of all that it copies from the checkout', () => {
    const stages = read('Dockerfile')
      .split(/^(?=FROM )/m)
      .slice(1);
    for (const stage of stages) {
      const copies = [...stage.matchAll(/^COPY (.+)$/gm)].map((match) => match[1] ?? '');
      const bare = copies.filter((copy) => !/--from=|--chmod=/.test(copy));
      if (bare.length > 0) expect(stage).toMatch(/chmod -R a\+rX/);
    }
  });

  it('keeps what was tried out in another database than production', () => {
    const nameOf = (file: ComposeFile) =>
      (file.volumes?.['postgres-data'] as { name?: string } | undefined)?.name;
    expect(nameOf(base)).toBeUndefined();
    expect(nameOf(emulated)).toContain('try-out');
  });

  it('gives every service a health check, or says why not', () => {
    const reasons = { ...base['x-no-health-check'], ...emulated['x-no-health-check'] };
    for (const [name, { healthcheck }] of services) {
      const checked = Boolean(healthcheck?.test) && !healthcheck?.disable;
      expect(checked !== name in reasons, `${name}: a health check or a reason, not both`).toBe(true);
    }
    expect(Object.keys(reasons).filter((name) => !(name in merged))).toEqual([]);
  });

  it('waits for services that exist, in a way that they can fulfil', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const runsOnce = merged[other]?.restart === 'on-failure:5';
        const checked = Boolean(merged[other]?.healthcheck?.test);
        expect(condition, `${name} → ${other}`).toBe(
          runsOnce ? 'service_completed_successfully' : 'service_healthy',
        );
        expect(runsOnce || checked, `${name} → ${other}`).toBe(true);
      }
    }
    expect(base.services['api']?.depends_on).not.toHaveProperty('temporal');
  });

  it('lets API and worker finish before it kills them', () => {
    const worker = seconds(/shutdownForceTime: '(\d+s)'/.exec(read('worker/worker.ts'))?.[1]);
    const api =
      Number(/const drainMs = ([\d_]+)/.exec(read('api/server.ts'))?.[1]?.replaceAll('_', '')) / 1000;
    expect(seconds(merged['worker']?.stop_grace_period)).toBeGreaterThan(worker);
    const { shutdownDelayMs } = loadConfig(environmentOf(base.services['api'], productionEnv)).http;
    expect(seconds(merged['api']?.stop_grace_period)).toBeGreaterThan(shutdownDelayMs / 1000 + api);
  });

  it('publishes nothing to the network that has no login, and nothing of the database', () => {
    const ports = services.flatMap(([name, { ports = [] }]) =>
      ports.map((port) => [name, interpolate(port, {})]),
    );
    expect(ports).toEqual([
      ['temporal-ui', '127.0.0.1:8233:8080'],
      ['api', '127.0.0.1:8000:8000'],
      ['stripe', '127.0.0.1:14242:14242'],
    ]);
  });
});

describe('settings', () => {
  it('pass from .env to API and worker, all of config.ts and nothing else', () => {
    const given = (name: string) => Object.keys(base.services[name]?.environment ?? {});
    const byImage = [...read('Dockerfile').matchAll(/\b(WORKFLOW_BUNDLE)=/g)].map(([, name]) => name);
    const ofWorker = [...given('worker'), ...byImage].sort();
    expect(ofWorker).toEqual(configNames().sort());
    expect(given('api').sort()).toEqual(
      given('worker')
        .filter((name) => name !== 'METRICS_ADDRESS')
        .sort(),
    );
    for (const name of Object.keys(emulated.services['api']?.environment ?? {})) {
      expect(configNames()).toContain(name);
    }
  });

  it('stand in .env.example, every one that is read and none that is not', () => {
    const text = ['dev', 'db', 'commands']
      .flatMap((folder) => sourcesOf(folder))
      .map(read)
      .join('\n');
    const used = [...text.matchAll(/\benv(?:\.|\[')([A-Z][A-Z0-9_]+)|\b(DEV_[A-Z_]+_PORT)\b/g)];
    // Not settings of ours: what the system itself sets.
    const foreign = new Set(['PATH', 'HOME', 'XDG_CACHE_HOME']);
    const compose = [baseFile, emulatorFile].flatMap(variablesOf);
    const wanted = new Set([
      ...configNames(),
      ...used.map(([, one, port]) => one ?? port ?? '').filter((name) => !foreign.has(name)),
      ...compose,
      // What Compose itself reads.
      'COMPOSE_FILE',
      'COMPOSE_PATH_SEPARATOR',
    ]);
    expect(exampleNames().sort()).toEqual([...wanted].sort());
  });

  it('of .env.example as it stands start the service with the emulator', () => {
    const env = exampleEnv();
    expect(env['COMPOSE_FILE']?.split(env['COMPOSE_PATH_SEPARATOR'] ?? '')).toEqual([baseFile, emulatorFile]);
    for (const name of ['api', 'worker']) {
      const config = loadConfig(environmentOf(merged[name], env));
      expect(config.debug).toBe(true);
      expect(config.stripe.apiBase).toBe('http://stripe:14242');
      expect(config.database.url).toBe('postgres://booking_app:try-out-app@postgres:5432/booking');
    }
    expect(environmentOf(merged['migrate'], env)['MIGRATE_DATABASE_URL']).toBe(
      'postgres://booking_owner:try-out-owner@postgres:5432/booking',
    );
  });

  it('of .env.example start nothing outside debug, since their passwords are public', () => {
    const { COMPOSE_FILE: _, ...passwords } = exampleEnv();
    const start = () => loadConfig(environmentOf(base.services['api'], { ...productionEnv, ...passwords }));
    expect(start).toThrow(/BOOKING_APP_PASSWORD/);
    expect(start).not.toThrow(/try-out-app/);
  });

  it('with DEBUG=false and keys of its own let the emulator stand in for Stripe in the production form', () => {
    const keys = {
      STRIPE_SECRET_KEY: 'sk_test_own',
      STRIPE_PUBLISHABLE_KEY: 'pk_test_own',
      STRIPE_WEBHOOK_SECRET: 'whsec_own',
    };
    const env = { ...productionEnv, DEBUG: 'false', ...keys };
    const config = loadConfig(environmentOf(merged['api'], env));
    expect(config.debug).toBe(false);
    expect(config.stripe).toMatchObject({ secretKey: 'sk_test_own', apiBase: 'http://stripe:14242' });
    expect(environmentOf(merged['stripe'], env)).toMatchObject(keys);
    expect(environmentOf(merged['seed'], env)['DEBUG']).toBe('false');
  });

  it('give the service the keys that the emulator takes', () => {
    for (const name of ['api', 'worker'])
      expect(environmentOf(emulated.services[name], {}), name).toMatchObject(emulatorKeys);
  });

  it('of another port for the emulator lead browsers there, to the page of the bank too', () => {
    const env = { ...exampleEnv(), DEV_STRIPE_PORT: '15000' };
    const { browserBase, apiBase } = loadConfig(environmentOf(merged['api'], env)).stripe;
    expect({ browserBase, apiBase }).toEqual({
      browserBase: 'http://localhost:15000',
      apiBase: 'http://stripe:14242',
    });
    const stripe = environmentOf(merged['stripe'], env);
    expect(stripe).toMatchObject({ STRIPE_BROWSER_BASE: browserBase, DEV_STRIPE_PORT: '14242' });
    expect(merged['stripe']?.ports?.map((port) => interpolate(port, env))).toEqual(['127.0.0.1:15000:14242']);
  });

  it('of a production start the service without the emulator file', () => {
    for (const name of ['api', 'worker']) {
      const config = loadConfig(environmentOf(base.services[name], productionEnv));
      expect(config.debug).toBe(false);
      expect(config.stripe).toMatchObject({ apiBase: undefined, livemode: true });
    }
  });

  it('allow plaintext to the Temporal between the containers, and to no other', () => {
    const start = (change: Record<string, string>) =>
      loadConfig(environmentOf(base.services['api'], { ...productionEnv, ...change }));
    expect(start({}).temporal).toMatchObject({ address: 'temporal:7233', tls: undefined });
    const elsewhere = { TEMPORAL_ADDRESS: 'temporal.example:7233' };
    expect(() => start(elsewhere)).toThrow('TEMPORAL_ADDRESS: a remote server without TLS');
    expect(start({ ...elsewhere, TEMPORAL_API_KEY: 'key' }).temporal.tls).toEqual({});
    expect(start({ ...elsewhere, TEMPORAL_ALLOW_PLAINTEXT: 'true' }).temporal.tls).toBeUndefined();
  });

  it('that are missing in production are named, each of them', () => {
    const { SECRET_KEY: _, CLEANUP_TOKEN: __, STRIPE_SECRET_KEY: ___, ...rest } = productionEnv;
    const start = () => loadConfig(environmentOf(base.services['api'], rest));
    expect(start).toThrow(ConfigError);
    expect(start).toThrow('STRIPE_SECRET_KEY: required, but not set');
    expect(() =>
      loadConfig(environmentOf(base.services['api'], { ...rest, STRIPE_SECRET_KEY: 'sk_live_x' })),
    ).toThrow(/SECRET_KEY: required[\s\S]*CLEANUP_TOKEN: required/);
  });

  it('without .env make compose say what to do', () => {
    expect(() => environmentOf(base.services['postgres'], {})).toThrow('copy .env.example to .env');
  });

  it('of an outside database reach the services and the migrations alike', () => {
    const env = { ...productionEnv, DATABASE_URL: 'postgres://app:x@db.example/booking?sslmode=verify-full' };
    expect(environmentOf(base.services['api'], env)['DATABASE_URL']).toBe(env.DATABASE_URL);
    expect(environmentOf(base.services['migrate'], env)['MIGRATE_DATABASE_URL']).toBe(env.DATABASE_URL);
  });
});
