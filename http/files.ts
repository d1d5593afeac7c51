import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import type { Context } from 'koa';

/** A file as it is served: as it is, and compressed when that is worth it. */
interface ServedFile {
  body: Buffer;
  brotli: Buffer | undefined;
  type: string;
  tag: string;
}

/** Below this a file fits into one or two packets anyway. */
const compressFromBytes = 2_048;
const compress = promisify(brotliCompress);
// 5 of 11: a megabyte takes some 30 ms, once in the life of the process.
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };

const types: Record<string, string> = {
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  png: 'image/png',
};

/** Files by the address they have; each is read at its first request and kept. */
export function createFiles(places: Readonly<Record<string, URL>>) {
  const known = new Map(Object.entries(places));
  const loaded = new Map<string, Promise<ServedFile>>();

  function find(path: string): Promise<ServedFile> | undefined {
    const place = known.get(path);
    if (!place) return undefined;
    const file = loaded.get(path) ?? load(place);
    loaded.set(path, file);
    // A disk that was out of order for a moment is asked again.
    file.catch(() => loaded.delete(path));
    return file;
  }

  return {
    /** Answers when the address is one of a file; `cacheControl` says how long a browser may keep it. */
    async serve(ctx: Context, cacheControl: string): Promise<boolean> {
      const file = await find(ctx.path);
      if (!file) return false;
      ctx.set('Cache-Control', cacheControl);
      ctx.set('ETag', file.tag);
      ctx.vary('Accept-Encoding');
      ctx.status = 200;
      ctx.type = file.type;
      if (ctx.fresh) {
        ctx.status = 304;
        ctx.body = null;
        return true;
      }
      const brotli = ctx.acceptsEncodings('br', 'identity') === 'br' ? file.brotli : undefined;
      if (brotli) ctx.set('Content-Encoding', 'br');
      ctx.body = brotli ?? file.body;
      return true;
    },
  };
}

export type Files = ReturnType<typeof createFiles>;

async function load(place: URL): Promise<ServedFile> {
  const body = await readFile(place);
  const type = types[place.pathname.slice(place.pathname.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  // Weak: the compressed and the plain body are the same thing, not the same bytes (RFC 9110, 8.8.1).
  const tag = `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const small = body.length < compressFromBytes || type === 'image/png';
  return { body, type, tag, brotli: small ? undefined : await compress(body, brotliOptions) };
}
