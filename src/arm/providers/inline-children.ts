/**
 * Children that a resource carries in a list of its own properties, such as the subnets of a virtual network: written
 * with the parent or one by one, they are the same. The list is the one place where they are kept.
 */
import { resourceNotFound } from "../errors.ts";
import {
  isArray,
  isObject,
  type Json,
  type JsonObject,
  member,
  objectMember,
  stringMember,
} from "../json.ts";
import { requireJoinRights } from "../linked-rights.ts";
import { type Call, type Operation, type Outcome, type Provider, parameter } from "../operation.ts";
import { armLock } from "../records.ts";
import {
  getResource,
  propertiesOf,
  putResource,
  requireResource,
  resolveResource,
  type StoredResource,
} from "../resources.ts";
import { objectBody, writeResource } from "./generic.ts";
import { shownProperties } from "./service-values.ts";

interface InlineChildren {
  /** Full type of the parent. */
  readonly parent: string;
  /** Name of the list and of the child's type. */
  readonly list: string;
}

const tables: readonly InlineChildren[] = [
  { parent: "Microsoft.Network/virtualNetworks", list: "subnets" },
  { parent: "Microsoft.Network/networkSecurityGroups", list: "securityRules" },
  { parent: "Microsoft.Network/routeTables", list: "routes" },
];

function rowsOf(table: InlineChildren): readonly Operation[] {
  const { parent, list } = table;
  const one = `/subscriptions/{subscription}/resourceGroups/{group}/providers/${parent}/{name}`;
  const all = `${one}/${list}`;
  const child = `${all}/{child}`;
  const type = `${parent}/${list}`;
  return [
    {
      method: "PUT",
      path: one,
      action: `${parent}/write`,
      handler: (call: Call) => writeParent(call, table),
    },
    { method: "GET", path: all, action: `${type}/read`, handler: (call: Call) => listChildren(call, table) },
    { method: "GET", path: child, action: `${type}/read`, handler: (call: Call) => readChild(call, table) },
    { method: "PUT", path: child, action: `${type}/write`, handler: (call: Call) => writeChild(call, table) },
    {
      method: "DELETE",
      path: child,
      action: `${type}/delete`,
      handler: (call: Call) => removeChild(call, table),
    },
  ];
}

export const inlineChildrenProvider: Provider = { operations: tables.flatMap(rowsOf) };

function listOf(resource: StoredResource, { list }: InlineChildren): readonly Json[] {
  const children = member(propertiesOf(resource), list);
  return isArray(children) ? children : [];
}

function withList(
  resource: StoredResource,
  { list }: InlineChildren,
  children: readonly Json[],
): StoredResource {
  const properties = { ...propertiesOf(resource), [list]: children };
  return { ...resource, body: { ...resource.body, properties } };
}

/** A parent that is written without the list keeps its children. */
function writeParent(call: Call, table: InlineChildren): Promise<Outcome> {
  return writeResource(call, false, async (transaction, resource) => {
    const before = await getResource(transaction, resource.id);
    const says = member(propertiesOf(resource), table.list) !== undefined;
    return before === undefined || says ? resource : withList(resource, table, listOf(before, table));
  });
}

/** The parent in the path; throws ArmError 404. */
async function parentOf(call: Call, table: InlineChildren): Promise<StoredResource> {
  const path = call.address.path.replace(new RegExp(`/${table.list}(/[^/]+)?$`, "i"), "");
  return requireResource(call.plane.store, await resolveResource(call.plane.store, path));
}

/** The children as the parent shows them, with ids and states. */
function shownChildren(resource: StoredResource, { list }: InlineChildren): readonly JsonObject[] {
  const shown = member(shownProperties(resource, propertiesOf(resource)), list);
  return isArray(shown) ? shown.filter(isObject) : [];
}

async function listChildren(call: Call, table: InlineChildren): Promise<Outcome> {
  return { status: 200, body: { value: shownChildren(await parentOf(call, table), table) } };
}

function named(children: readonly Json[], name: string): number {
  return children.findIndex((each) => stringMember(each, "name")?.toLowerCase() === name.toLowerCase());
}

async function readChild(call: Call, table: InlineChildren): Promise<Outcome> {
  const parent = await parentOf(call, table);
  const children = shownChildren(parent, table);
  const name = parameter(call, "child");
  const found = children[named(children, name)];
  if (found === undefined) {
    throw resourceNotFound(`${table.parent}/${table.list}/${parent.name}/${name}`, parameter(call, "group"));
  }
  return { status: 200, body: { ...found, type: `${table.parent}/${table.list}` } };
}

async function changeList(
  call: Call,
  table: InlineChildren,
  change: (children: readonly Json[]) => readonly Json[],
): Promise<void> {
  const { id } = await parentOf(call, table);
  await call.plane.store.transact([armLock], async (transaction) => {
    const parent = await requireResource(transaction, await resolveResource(transaction, id));
    putResource(transaction, withList(parent, table, change(listOf(parent, table))));
  });
}

async function writeChild(call: Call, table: InlineChildren): Promise<Outcome> {
  const body = objectBody(call);
  const name = parameter(call, "child");
  await requireJoinRights(call, body);
  await changeList(call, table, (children) => {
    const at = named(children, name);
    const kept = stringMember(children[at], "name") ?? name;
    const written = { name: kept, properties: objectMember(body, "properties") ?? {} };
    return at < 0 ? [...children, written] : children.with(at, written);
  });
  return readChild(call, table);
}

async function removeChild(call: Call, table: InlineChildren): Promise<Outcome> {
  const name = parameter(call, "child");
  let found = false;
  await changeList(call, table, (children) => {
    const at = named(children, name);
    found = at >= 0;
    return found ? children.toSpliced(at, 1) : children;
  });
  return { status: found ? 200 : 204 };
}
