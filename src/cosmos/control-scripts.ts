/** The control plane's part of stored procedures, triggers and functions: the same records as the data plane's. */
import type { Reader, Transaction } from "../storage/port.ts";
import type { CosmosResource } from "./control.ts";
import {
  type ChildPlace,
  deleteChild,
  findChild,
  listChildren,
  putChild,
  renderChild,
} from "./engine/child-resources.ts";
import { readContainer } from "./engine/containers.ts";
import type { Engine } from "./engine/engine.ts";
import type { ScriptKind } from "./engine/records.ts";
import { ownerNotFound } from "./errors.ts";
import { scriptPlace } from "./operations/script-place.ts";

export type { ScriptKind };

/** The container whose scripts are meant, by name, and their kind. */
export interface ScriptOwner {
  readonly account: string;
  readonly database: string;
  readonly container: string;
  readonly kind: ScriptKind;
}

type Properties = Readonly<Record<string, unknown>>;

export interface ScriptControl {
  /** Checks a script as the data plane does; returns the properties to keep. Before the transaction. */
  checkScript(kind: ScriptKind, resource: CosmosResource): Promise<Properties>;
  putScript(
    transaction: Transaction,
    owner: ScriptOwner,
    id: string,
    properties: Properties,
  ): Promise<CosmosResource>;
  getScript(reader: Reader, owner: ScriptOwner, id: string): Promise<CosmosResource | undefined>;
  listScripts(reader: Reader, owner: ScriptOwner): Promise<readonly CosmosResource[]>;
  /** Refuses with 404 what is not there. */
  deleteScript(transaction: Transaction, owner: ScriptOwner, id: string): Promise<void>;
}

export function scriptControl(engine: Engine): ScriptControl {
  return {
    async checkScript(kind, resource) {
      // Loaded when needed: the sandbox is much code, and no start needs it.
      const { scriptProperties } = await import("./operations/scripts.ts");
      return scriptProperties(kind, resource);
    },
    async putScript(transaction, owner, id, properties) {
      const place = await placeOf(transaction, owner);
      const { record } = await putChild(engine, transaction, place, { mode: "upsert", id, properties });
      return renderChild(place, record) as CosmosResource;
    },
    async getScript(reader, owner, id) {
      const place = await placeOf(reader, owner);
      const record = await findChild(reader, place, id);
      return record === undefined ? undefined : (renderChild(place, record) as CosmosResource);
    },
    async listScripts(reader, owner) {
      const place = await placeOf(reader, owner);
      return (await listChildren(reader, place)).map(
        (record) => renderChild(place, record) as CosmosResource,
      );
    },
    async deleteScript(transaction, owner, id) {
      await deleteChild(transaction, await placeOf(transaction, owner), id, undefined);
    },
  };
}

async function placeOf(reader: Reader, owner: ScriptOwner): Promise<ChildPlace> {
  const container = await readContainer(reader, owner.account, owner.database, owner.container);
  if (container === undefined) throw ownerNotFound();
  return scriptPlace(owner.account, container, owner.kind);
}
