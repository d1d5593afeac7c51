import { existsSync } from 'node:fs';
import { findGoTool, isBuilt, temporalServer, temporalSqlTool } from '../../dev/go-tool.ts';
import { findOnPath } from '../../dev/run-tool.ts';
import { SetupProblem } from '../../dev/setup-problem.ts';
import { findTemporalTool } from '../../dev/temporal/binary.ts';
import { temporalCli } from '../../dev/temporal/tools.ts';

/** Paths of the programs that are not the project's own. */
export interface Tools {
  nginx: string;
  openssl: string;
  temporal: string;
  temporalServer: string;
  temporalSqlTool: string;
}

/** Where Debian puts what only root is meant to start. */
const systemDir = '/usr/sbin';

/**
 * Finds what the rehearsal needs, and builds Temporal's server the first time (a quarter of an hour on two cores).
 *
 * @throws SetupProblem that names everything that is missing, before anything is built
 */
export async function findTools(log: (line: string) => void): Promise<Tools> {
  const nginx = findOnPath('nginx') ?? [`${systemDir}/nginx`].find((path) => existsSync(path));
  const openssl = findOnPath('openssl');
  const canBuild = findOnPath('go') !== undefined || [temporalServer, temporalSqlTool].every(isBuilt);
  const missing = [
    !nginx && 'nginx (Debian: apt install nginx-light)',
    !openssl && 'openssl (Debian: apt install openssl)',
    !canBuild && `Go, to build Temporal's server ${temporalServer.version} (https://go.dev/dl/)`,
  ].filter((one) => typeof one === 'string');
  if (!nginx || !openssl || missing.length > 0) {
    throw new SetupProblem(`The rehearsal needs what is not here: ${missing.join('; ')}.`);
  }
  return {
    nginx,
    openssl,
    temporal: await findTemporalTool(temporalCli, log),
    temporalServer: await findGoTool(temporalServer, log),
    temporalSqlTool: await findGoTool(temporalSqlTool, log),
  };
}
