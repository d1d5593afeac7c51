import type { AddressInfo } from 'node:net';
import { Validator } from '@seriousme/openapi-schema-validator';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { site } from '../../web/booking/index.ts';
import { loadConfig } from '../../config.ts';
import { seed } from '../../db/seed.ts';
import { problems } from '../../domain/problems.ts';
import { startSystem, type System } from '../setup/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem();
  await seed(system.db, { accounts: true });
});
afterAll(() => system.stop());

const get = (path: string, headers: Record<string, string> = {}) => fetch(system.url + path, { headers });

/** The policy as a map: directive → its sources. */
function policyOf(response: Response): Record<string, string> {
  const text = response.headers.get('content-security-policy') ?? '';
  return Object.fromEntries(
    text.split('; ').map((part) => [part.slice(0, part.indexOf(' ')), part.slice(part.indexOf(' ') + 1)]),
  );
}

/** The site alone, with settings of its own. */
async function withSite(
  settings: Record<string, string>,
  look: (page: Response) => Promise<void>,
): Promise<void> {
  const config = loadConfig({
    DATABASE_URL: 'postgresql://nobody@localhost/none',
    TEMPORAL_ADDRESS: 'localhost:7233',
    STRIPE_SECRET_KEY: 'sk_live_0123456789abcdef',
    STRIPE_WEBHOOK_SECRET: 'whsec_0123456789abcdef',
    SECRET_KEY: '0123456789abcdefghijklmnopqrstuvwxyz',
    CLEANUP_TOKEN: 'cleanup-token-of-the-test',
    ...settings,
  });
  const server = new Koa().use(site({ config })).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    await look(await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('the pages', () => {
  test.each(['/', '/payment/success', '/payment/cancel', '/docs', '/docs/problems'])(
    '%s is served with a slash and without one, and runs no script but our own',
    async (path) => {
      for (const form of [path, `${path.replace(/\/$/, '')}/`]) {
        const page = await get(form);
        expect([form, page.status]).toEqual([form, 200]);
        expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
        const html = await page.text();
        expect(html).not.toMatch(/<script(?![^>]* src="\/)|<style|\son\w+=|style=|href="javascript:/);
        expect(policyOf(page)).toMatchObject({
          'default-src': "'none'",
          'script-src': "'self'",
          'style-src': "'self'",
          'base-uri': "'none'",
          'frame-ancestors': "'none'",
        });
      }
    },
  );

  test('every file that a page names is there, and the modules that those import', async () => {
    const seen = new Set<string>();
    const look = async (path: string) => {
      if (seen.has(path)) return;
      seen.add(path);
      const answer = await get(path);
      expect([path, answer.status]).toEqual([path, 200]);
      const text = await answer.text();
      const imports = path.startsWith('/site/') ? [...text.matchAll(/from '\.\/([\w-]+\.js)'/g)] : [];
      for (const [, name] of imports) await look(`/site/${name}`);
    };
    for (const page of ['/', '/payment/success', '/payment/cancel', '/docs', '/docs/problems']) {
      const html = await (await get(page)).text();
      for (const [, file] of html.matchAll(/(?:src|href)="(\/(?:site|docs)\/[\w./-]+\.\w+)"/g)) {
        await look(file ?? '');
      }
    }
    expect(seen.size).toBeGreaterThan(15);
  });

  test('a file is compressed when asked for, and not sent again when it has not changed', async () => {
    const bundle = await get('/docs/swagger-ui-bundle.js', { 'accept-encoding': 'br' });
    expect(bundle.headers.get('content-encoding')).toBe('br');
    expect(Number(bundle.headers.get('content-length'))).toBeLessThan(600_000);
    expect(bundle.headers.get('cache-control')).toBe('public, max-age=86400');
    const etag = bundle.headers.get('etag') ?? '';
    await bundle.arrayBuffer();
    const again = await get('/docs/swagger-ui-bundle.js', {
      'if-none-match': etag,
      'cache-control': 'max-age=0',
    });
    expect(again.status).toBe(304);
    const plain = await get('/site/app.js', { 'accept-encoding': 'identity' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(plain.headers.get('content-type')).toContain('text/javascript');
  });

  test('what is not there is a 404, and a page takes no POST', async () => {
    for (const path of [
      '/site/../config.ts',
      '/site/%2e%2e/index.ts',
      '/docs/package.json',
      '/docsx',
      '/payment/other',
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
    const post = await fetch(`${system.url}/payment/success`, { method: 'POST' });
    expect(post.status).toBe(405);
    expect(post.headers.get('allow')).toBe('GET, HEAD');
    expect((await fetch(`${system.url}/`, { method: 'HEAD' })).status).toBe(200);
  });

  test('the catalogue has a line for every problem, where its type leads', async () => {
    const html = await (await get('/docs/problems')).text();
    for (const [code, { status }] of Object.entries(problems)) {
      expect(html).toMatch(new RegExp(`<tr id="${code}">.*<td>${status}</td>`));
    }
    const { body } = await system.call('GET', '/api/bookings/');
    expect(body.type).toBe(`/docs/problems#${body.code}`);
    expect(html).toContain(`id="${body.code}"`);
  });
});

describe('the settings that the booking page gets', () => {
  test('with the emulator: its address, which the policy allows, and the demo account in debug', async () => {
    const page = await get('/');
    expect(policyOf(page)['connect-src']).toBe(`'self' ${system.stripe.url}`);
    const html = (await page.text()).replaceAll('&quot;', '"');
    expect(html).toContain('"kind":"emulator"');
    expect(html).toContain('longtran20014@gmail.com');
  });

  test('with Stripe: its script is allowed and nobody else’s; no secret and no account leaves the server', async () => {
    await withSite({ STRIPE_PUBLISHABLE_KEY: 'pk_live_42' }, async (page) => {
      expect(policyOf(page)).toMatchObject({
        'script-src': "'self' https://js.stripe.com https://*.js.stripe.com",
        'connect-src': "'self' https://api.stripe.com",
      });
      const html = await page.text();
      expect(html).toContain('pk_live_42');
      for (const secret of [
        'sk_live',
        'whsec_',
        '0123456789',
        'cleanup-token',
        '123456Long',
        'nobody@localhost',
      ]) {
        expect(html).not.toContain(secret);
      }
    });
  });

  test('a proxy before Stripe gets no card numbers: the form is still Stripe’s', async () => {
    const proxied = {
      STRIPE_PUBLISHABLE_KEY: 'pk_live_42',
      STRIPE_API_BASE: 'https://proxy.example',
      STRIPE_BROWSER_BASE: 'https://proxy.example',
    };
    await withSite(proxied, async (page) => {
      expect(policyOf(page)['connect-src']).toBe("'self' https://api.stripe.com");
      const html = await page.text();
      expect(html).toContain('&quot;kind&quot;:&quot;stripe&quot;');
      expect(html).not.toContain('proxy.example');
    });
  });

  test('the pages after payment: ours, unless the operator has his own', async () => {
    const textOf = async (page: Response) => (await page.text()).replaceAll('&quot;', '"');
    await withSite({}, async (page) => {
      expect(await textOf(page)).toContain('"successUrl":"/payment/success","cancelUrl":"/payment/cancel"');
    });
    const own = {
      STRIPE_CALLBACK_SUCCESS_URL: 'https://shop.example/paid',
      STRIPE_CALLBACK_CANCEL_URL: 'https://shop.example/left',
    };
    await withSite(own, async (page) => {
      expect(await textOf(page)).toContain(
        '"successUrl":"https://shop.example/paid","cancelUrl":"https://shop.example/left"',
      );
    });
  });

  test('without a publishable key: no way to pay, and no other host is allowed', async () => {
    await withSite({}, async (page) => {
      expect(policyOf(page)['connect-src']).toBe("'self'");
      expect(await page.text()).toContain('&quot;kind&quot;:&quot;none&quot;');
    });
  });
});

interface Operation {
  security: unknown[];
  parameters: { name: string; in: string; required: boolean; example?: string }[];
  requestBody?: { content: Record<string, { example?: unknown }> };
  responses: Record<string, unknown>;
}

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const { body } = await system.call('GET', '/openapi.json');
    const validator = new Validator();
    expect(await validator.validate(body)).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    const broken = { ...body, paths: { '/x': { get: { responses: { 200: { describe: 'no' } } } } } };
    expect((await new Validator().validate(broken)).valid).toBe(false);
  });

  test('has an example for every body and every parameter in a path', async () => {
    const { body } = await system.call('GET', '/openapi.json');
    for (const [path, methods] of Object.entries(body.paths as Record<string, Record<string, Operation>>)) {
      for (const operation of Object.values(methods)) {
        const needed = operation.parameters.filter((one) => one.in === 'path');
        for (const one of needed) expect([path, one.name, one.example]).toEqual([path, one.name, '1']);
        const content = operation.requestBody?.content['application/json'];
        if (content) expect([path, content.example]).toEqual([path, expect.anything()]);
      }
    }
  });

  /** In the order of a visit. What is left out takes a cookie (refresh), Stripe's signature (webhook). */
  test.each([
    ['post', '/api/register/'],
    ['get', '/api/rooms/'],
    ['get', '/api/rooms/{id}/availability/'],
    ['post', '/api/bookings/'],
    ['get', '/api/bookings/'],
    ['get', '/api/bookings/{id}/'],
    ['post', '/api/payment-intent/'],
    ['post', '/api/bookings/{id}/cancel/'],
    ['get', '/api/bookings/all/'],
    ['post', '/api/cleanup-expired-bookings/'],
    ['get', '/livez'],
    ['get', '/readyz'],
    ['post', '/api/logout/'],
  ])('the example of %s %s works on the seeded data', async (method, path) => {
    const { body: document } = await system.call('GET', '/openapi.json');
    const operation: Operation = document.paths[path][method];
    const login = document.paths['/api/login/'].post.requestBody.content['application/json'].example;
    const email = path === '/api/bookings/all/' ? 'admin@gmail.com' : login.email;
    const { body: session } = await system.call('POST', '/api/login/', { body: { ...login, email } });
    const query = new URLSearchParams();
    let address = path;
    for (const parameter of operation.parameters) {
      if (parameter.example === undefined) continue;
      if (parameter.in === 'query') query.set(parameter.name, parameter.example);
      else address = address.replace(`{${parameter.name}}`, parameter.example);
    }
    const body = operation.requestBody?.content['application/json']?.example;
    const answer = await system.call(method.toUpperCase(), `${address}?${query}`, {
      ...(operation.security.length > 0 && { token: session.access }),
      ...(body !== undefined && { body }),
    });
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
    expect(operation.responses).toHaveProperty(String(answer.status));
  });
});
