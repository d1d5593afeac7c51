import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import type { Context } from 'koa';

/** A file to be served, also in compressed form if that is much smaller. */
interface ServedFile {
  body: Buffer;
  brotli: Buffer | undefined;
  type: string;
  tag: string;
}

/** A smaller file fits into one or two packets anyway. */
const compressFromBytes = 2_048;
const compress = promisify(brotliCompress);
// At 5 of 11 a megabyte takes some 30 ms, once in the life of the process.
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };

const types: Record<string, string> = {
  js: 'text/javascript',
  css: 'text/css',
  svg: 'image/svg+xml',
  png: 'image/png',
};

/** Serves files by path; each is read at its first request and kept. */
export function createFiles(places: Readonly<Record<string, URL>>) {
  const known = new Map(Object.entries(places));
  const loaded = new Map<string, Promise<ServedFile>>();

  function find(path: string): Promise<ServedFile> | undefined {
    const place = known.get(path);
    if (!place) return undefined;
    const file = loaded.get(path) ?? load(place);
    loaded.set(path, file);
    // A read that failed is tried again at the next request.
    file.catch(() => loaded.delete(path));
    return file;
  }

  return {
    /** Answers if the path is that of a file. @returns false if it is not */
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
  // Weak, since the compressed and the plain body have one meaning but not the same bytes (RFC 9110, 8.8.1).
  const tag = `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const small = body.length < compressFromBytes || type === 'image/png';
  return { body, type, tag, brotli: small ? undefined : await compress(body, brotliOptions) };
}
