import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { History } from '@temporalio/common/lib/proto-utils.js';

export const historiesDir = new URL('./histories/', import.meta.url);

// The SDK's historyToJSON rejects its own types if npm has installed protobufjs more than once: each copy accepts only
// types that it created. So both come from the copy that @temporalio/proto uses.
const ofCommon = createRequire(createRequire(import.meta.url).resolve('@temporalio/common'));
const proto = ofCommon('@temporalio/proto');
const { patchProtobufRoot } = ofCommon('@temporalio/proto/lib/patch-protobuf-root');
const { fromJson, toJson } = createRequire(ofCommon.resolve('@temporalio/proto'))('protobufjs/ext/protojson');
const historyType = patchProtobufRoot(proto).lookupType('temporal.api.history.v1.History');

/** `hold expires` → `hold-expires.json` */
export function fileNameOf(scenario: string): string {
  return `${scenario.replace(/[^a-z]+/g, '-')}.json`;
}

/**
 * A history as Temporal's tools print it, with its workflow's id beside the events, and without stack traces: they
 * hold the paths of the machine that played it.
 */
export function printHistory(workflowId: string, history: History): string {
  const json = JSON.stringify(toJson(historyType, proto.temporal.api.history.v1.History.fromObject(history)));
  const clean = JSON.parse(json, (key, value: unknown) => (key === 'stackTrace' ? '' : value));
  return `${JSON.stringify({ workflowId, ...clean }, undefined, 1)}\n`;
}

export interface SavedHistory {
  /** The file's name without `.json`. */
  name: string;
  text: string;
  workflowId: string;
  history: History;
}

/** A history, back from its file's text. */
function parseHistory(name: string, text: string): SavedHistory {
  const { workflowId, events } = JSON.parse(text);
  return { name, text, workflowId, history: fromJson(historyType, { events }) };
}

/** All saved histories, by name. */
export function readHistories(): SavedHistory[] {
  const files = readdirSync(historiesDir).filter((file) => file.endsWith('.json'));
  return files
    .sort()
    .map((file) =>
      parseHistory(file.slice(0, -'.json'.length), readFileSync(new URL(file, historiesDir), 'utf8')),
    );
}
