import type { Context } from 'koa';
import { Problem } from '../domain/problems.ts';
import { payloadTooLarge } from './problems.ts';

/** The bytes of a JSON body, unparsed. @throws Problem payload_too_large, unsupported_media_type */
export async function readJsonBytes(ctx: Context, bytesMax: number): Promise<Buffer> {
  if (ctx.request.type.toLowerCase() !== 'application/json' || ctx.get('Content-Encoding') !== '') {
    throw new Problem('unsupported_media_type');
  }
  return readBodyBytes(ctx, bytesMax);
}

/** The bytes of any body. @throws Problem payload_too_large */
export async function readBodyBytes(ctx: Context, bytesMax: number): Promise<Buffer> {
  if ((ctx.request.length ?? 0) > bytesMax) throw payloadTooLarge(bytesMax);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // The rest is not read, so the connection cannot carry another request.
    if (bytes > bytesMax) throw payloadTooLarge(bytesMax, { endsConnection: true });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
