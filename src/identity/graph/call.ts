/**
 * What an operation of Microsoft Graph is given and what it gives back, and the objects that its path names. Apart from
 * the table, because the operations about memberships have a file of their own.
 */
import type { Reader } from "../../storage/port.ts";
import type { Applications } from "../applications.ts";
import { type Directory, isGuid } from "../directory.ts";
import type { Passwords } from "../passwords.ts";
import type { DirectoryObject } from "../records.ts";
import { readIndexed, readObject, recordKey } from "../records.ts";
import { badRequest, notFound, type Shape } from "./shapes.ts";

export interface GraphContext {
  readonly store: Reader;
  readonly tenantId: string;
  readonly directory: Directory;
  readonly applications: Applications;
  readonly passwords: Passwords;
  /** Whether the caller may read objects of a kind; of others, where they turn up in a list, only what and that they are. */
  readonly reads: (kind: DirectoryObject["kind"]) => boolean;
}

export interface GraphCall {
  readonly context: GraphContext;
  readonly callerId: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Values of the row's placeholders. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** One object, a list (filtered and paged by the gateway), a list of texts, or nothing. */
export type GraphResult =
  | { readonly kind: "one"; readonly value: Readonly<Record<string, unknown>>; readonly status?: 201 }
  | { readonly kind: "list"; readonly values: readonly Shape[] }
  | { readonly kind: "texts"; readonly values: readonly string[] }
  | { readonly kind: "nothing" };

/** The object of the path; throws GraphError 404 when there is none of this kind, 400 when its id is none. */
export async function find<Kind extends DirectoryObject["kind"]>(
  { context: { store }, parameters }: GraphCall,
  kind?: Kind,
): Promise<Extract<DirectoryObject, { kind: Kind }>> {
  const id = parameters["id"] ?? "";
  if (kind !== "user") checkId(id);
  const byName =
    kind === "user" && id.includes("@") ? await readIndexed(store, recordKey.upn(id)) : undefined;
  const object = byName ?? (await readObject(store, id));
  if (object === undefined || (kind !== undefined && object.kind !== kind)) throw notFound(id);
  return object as Extract<DirectoryObject, { kind: Kind }>;
}

/** The user who calls; an application is nobody's self. */
export async function self({
  context,
  callerId,
}: GraphCall): Promise<Extract<DirectoryObject, { kind: "user" }>> {
  const object = await readObject(context.store, callerId);
  if (object?.kind === "user") return object;
  throw badRequest("/me request is only valid with delegated authentication flow.");
}

/** Throws GraphError 400 for what cannot be the id of an object. */
export function checkId(id: string): void {
  if (!isGuid(id)) throw badRequest(`Invalid object identifier '${id.slice(0, 200)}'.`);
}
