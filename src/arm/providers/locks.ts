/** Microsoft.Authorization/locks as resources at any scope. What they forbid is `../locks.ts`. */
import { ArmError } from "../../azure/arm-error.ts";
import { scopeCovers } from "../../azure/resource-id.ts";
import { clip } from "../errors.ts";
import { type JsonObject, objectMember, stringMember } from "../json.ts";
import { deleteLock, getLock, type LockLevel, type LockRecord, listLocks, putLock } from "../locks.ts";
import { type Call, type Operation, type Outcome, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import { objectBody } from "./generic.ts";

const all = "/{+scope}/providers/Microsoft.Authorization/locks";
const one = `${all}/{name}`;
const type = "Microsoft.Authorization/locks";

export const lockOperations: readonly Operation[] = [
  { method: "PUT", path: one, action: `${type}/write`, handler: put },
  { method: "GET", path: one, action: `${type}/read`, handler: read },
  { method: "DELETE", path: one, action: `${type}/delete`, handler: remove },
  { method: "GET", path: all, action: `${type}/read`, scope: "{scope}", handler: list },
];

function scopeOf(call: Call): string {
  return parameter(call, "scope");
}

function idOf(call: Call): string {
  return `${scopeOf(call)}/providers/${type}/${parameter(call, "name")}`;
}

const levels: readonly LockLevel[] = ["CanNotDelete", "ReadOnly"];

async function put(call: Call): Promise<Outcome> {
  const properties = objectMember(objectBody(call), "properties");
  const sent = stringMember(properties, "level") ?? "";
  const level = levels.find((each) => each.toLowerCase() === sent.toLowerCase());
  if (level === undefined) {
    throw new ArmError(
      400,
      "InvalidLockLevel",
      `The lock level '${clip(sent)}' is not valid: it must be 'CanNotDelete' or 'ReadOnly'.`,
    );
  }
  const notes = stringMember(properties, "notes");
  const lock: LockRecord = {
    id: idOf(call),
    name: parameter(call, "name"),
    scope: scopeOf(call),
    level,
    ...(notes === undefined ? {} : { notes }),
  };
  return call.plane.store.transact([armLock], async (transaction) => {
    const isNew = (await getLock(transaction, lock.id)) === undefined;
    putLock(transaction, lock);
    return { status: isNew ? 201 : 200, body: render(lock) };
  });
}

async function read(call: Call): Promise<Outcome> {
  const lock = await getLock(call.plane.store, idOf(call));
  if (lock === undefined) {
    throw new ArmError(
      404,
      "LockNotFound",
      `The lock '${clip(parameter(call, "name"))}' could not be found.`,
    );
  }
  return { status: 200, body: render(lock) };
}

async function remove(call: Call): Promise<Outcome> {
  return call.plane.store.transact([armLock], async (transaction) => {
    const lock = await getLock(transaction, idOf(call));
    if (lock === undefined) return { status: 204 };
    deleteLock(transaction, lock);
    return { status: 200 };
  });
}

/** The locks at the scope, above it and, unless `atScope()` is asked for, below it. */
async function list(call: Call): Promise<Outcome> {
  const scope = scopeOf(call);
  const atScope = (call.address.query.get("$filter") ?? "").toLowerCase().includes("atscope()");
  const value = (await listLocks(call.plane.store))
    .filter((lock) => scopeCovers(lock.scope, scope) || (!atScope && scopeCovers(scope, lock.scope)))
    .map(render);
  return { status: 200, body: { value } };
}

function render({ id, name, level, notes }: LockRecord): JsonObject {
  return { id, name, type, properties: { level, ...(notes === undefined ? {} : { notes }) } };
}
