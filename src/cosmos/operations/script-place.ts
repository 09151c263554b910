/** Where a container keeps its scripts. Apart from `scripts.ts`, because running scripts looks here too. */
import type { ChildPlace } from "../engine/child-resources.ts";
import { readContainer } from "../engine/containers.ts";
import type { ContainerRecord, ScriptKind } from "../engine/records.ts";
import { childRid } from "../engine/resource-ids.ts";

const segments: Readonly<Record<ScriptKind, string>> = {
  storedProcedure: "sprocs",
  trigger: "triggers",
  userDefinedFunction: "udfs",
};

/** The place of a container's scripts of one kind. */
export function scriptPlace(account: string, container: ContainerRecord, kind: ScriptKind): ChildPlace {
  const { id, database, databaseRid, rid, number } = container;
  return {
    account,
    kind,
    names: [database, id],
    ownerRid: rid,
    link: `dbs/${databaseRid}/colls/${rid}/${segments[kind]}/`,
    ridOf: (child) => childRid(rid, kind, child),
    ownerExists: async (transaction) =>
      (await readContainer(transaction, account, database, id))?.number === number,
  };
}
