/** The control plane's own errors, with the service's codes and texts; handlers throw them, the gateway renders. */
import { ArmError } from "../azure/arm-error.ts";

export function missingApiVersion(): ArmError {
  return new ArmError(
    400,
    "MissingApiVersionParameter",
    "The api-version query parameter (?api-version=) is required for all requests.",
  );
}

export function invalidApiVersion(version: string): ArmError {
  return new ArmError(
    400,
    "InvalidApiVersionParameter",
    `The api-version '${clip(version)}' is invalid. An api-version has the form YYYY-MM-DD or YYYY-MM-DD-preview.`,
  );
}

export function malformedPath(detail: string): ArmError {
  return new ArmError(400, "InvalidRequestUri", `The request URI is malformed: ${detail}.`);
}

export function subscriptionNotFound(subscription: string): ArmError {
  return new ArmError(
    404,
    "SubscriptionNotFound",
    `The subscription '${clip(subscription)}' could not be found.`,
  );
}

export function resourceGroupNotFound(group: string): ArmError {
  return new ArmError(404, "ResourceGroupNotFound", `Resource group '${clip(group)}' could not be found.`);
}

/** `path` is type and name below the namespace, e.g. `Microsoft.Web/sites/app`. */
export function resourceNotFound(path: string, group: string | undefined): ArmError {
  const place = group === undefined ? "" : ` under resource group '${group}'`;
  return new ArmError(
    404,
    "ResourceNotFound",
    `The Resource '${path}'${place} was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );
}

export function parentNotFound(type: string, parentId: string): ArmError {
  return new ArmError(
    404,
    "ParentResourceNotFound",
    `Failed to perform 'write' on resource(s) of type '${type}', because the parent resource '${parentId}' could not be found.`,
  );
}

export function invalidNamespace(namespace: string): ArmError {
  return new ArmError(
    404,
    "InvalidResourceNamespace",
    `The resource namespace '${clip(namespace)}' is invalid.`,
  );
}

export function invalidType(
  namespace: string,
  type: string,
  apiVersion: string,
  known: readonly string[],
): ArmError {
  return new ArmError(
    404,
    "InvalidResourceType",
    `The resource type '${clip(type)}' could not be found in the namespace '${namespace}' for api version '${apiVersion}'. The supported types are '${known.join(", ")}'.`,
  );
}

export function locationRequired(): ArmError {
  return new ArmError(400, "LocationRequired", "The location property is required for this definition.");
}

export function notImplemented(what: string): ArmError {
  return new ArmError(501, "NotImplemented", `${what} is not implemented.`);
}

/** `name` is how the caller is called in tokens: the UPN of a user, the application id of an application. */
export function authorizationFailed(name: string, objectId: string, action: string, scope: string): ArmError {
  const roleWrite = /^microsoft\.authorization\/roleassignments\/(write|delete)$/i.test(action);
  const lacks = roleWrite ? "authorization or an ABAC condition not fulfilled" : "authorization";
  return new ArmError(
    403,
    "AuthorizationFailed",
    `The client '${name}' with object id '${objectId}' does not have ${lacks} to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  );
}

/** For what a role grants and a deny assignment takes away. */
export function denyAssignmentFailed(
  caller: { readonly name: string; readonly objectId: string },
  asked: { readonly action: string; readonly scope: string },
  deny: { readonly id: string; readonly displayName: string; readonly scope: string },
): ArmError {
  const guid = (deny.id.split("/").pop() ?? "").replaceAll("-", "").toLowerCase();
  return new ArmError(
    403,
    "DenyAssignmentAuthorizationFailed",
    `The client '${caller.name}' with object id '${caller.objectId}' has permission to perform action '${asked.action}' on scope '${asked.scope}'; however, the access is denied because of the deny assignment with name '${clip(deny.displayName)}' and Id '${guid}' at scope '${deny.scope}'.`,
  );
}

export function linkedAuthorizationFailed(
  caller: { readonly name: string; readonly objectId: string },
  held: { readonly action: string; readonly scope: string },
  missingAction: string,
  linkedScopes: readonly string[],
): ArmError {
  return new ArmError(
    403,
    "LinkedAuthorizationFailed",
    `The client '${caller.name}' with object id '${caller.objectId}' has permission to perform action '${held.action}' on scope '${held.scope}'; however, it does not have permission to perform action '${missingAction}' on the linked scope(s) '${linkedScopes.join(",")}' or the linked scope(s) are invalid.`,
  );
}

/** Keeps what a caller sent short enough to repeat in a message. */
export function clip(text: string): string {
  return text.length <= 300 ? text : `${text.slice(0, 300)}...`;
}
