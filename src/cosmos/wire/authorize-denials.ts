/** Denials in the service's words: the wire form of a decision that refuses. */
import type { NetworkRules } from "../../authz/network.ts";
import { type CosmosError, forbidden, unauthorized } from "../errors.ts";
import type { Access, AccessRequest } from "./authorize.ts";
import { wrongSignature } from "./credential.ts";

export function localAuthDisabled(): CosmosError {
  return unauthorized("Local Authorization is disabled. Use an AAD token to authorize all requests.", 5202);
}

function metadataLocked(request: AccessRequest): CosmosError {
  return forbidden(
    `Operation '${request.method}' on resource '${request.address.resourceType}' is not allowed through Azure Cosmos DB endpoint. Please switch on such operations for your account, or perform this operation through Azure Resource Manager, Azure Portal, Azure CLI or Azure Powershell`,
  );
}

/** 403 for a client whose address the account's network rules do not let in. */
export function networkDenied(address: string, rules: NetworkRules): CosmosError {
  const { publicNetworkAccess, ipRules } = rules;
  return forbidden(
    `Request originated from client IP ${address} through public internet. This is blocked by your Cosmos DB account firewall settings. More info: https://aka.ms/cosmosdb-tsg-forbidden`,
    0,
    { kind: "network", address, publicNetworkAccess, ipRules },
  );
}

const learnMore = "Learn more: https://aka.ms/cosmos-native-rbac.";

/** The wire form of a decision that refuses. */
export function renderDenial(request: AccessRequest, access: Access): CosmosError {
  const { decision } = access;
  if (decision.allowed) throw new Error("only a refusal can be rendered as a denial");
  const blocked = `Request blocked by Auth ${request.account.record.account.name} : `;
  switch (decision.reason) {
    case "notPossibleWithAad": {
      const path = request.target.split("?")[0] ?? "";
      return forbidden(
        `${blocked}The given request [${request.method} ${path}] cannot be authorized by AAD token in data plane. ${learnMore}`,
        5300,
      );
    }
    case "localAuthDisabled":
      return localAuthDisabled();
    case "keyMetadataWriteDisabled":
      return metadataLocked(request);
    case "outsideResourceToken":
      return forbidden(
        "Insufficient permissions provided in the authorization header for the corresponding request. Please retry with another authorization header.",
      );
    case "readOnlyKey":
      return wrongSignature(access.payload ?? "");
    case "denyAssignment":
    case "principalDeleted":
    case "noMatchingAssignment": {
      const principal = decision.credential.kind === "aad" ? decision.credential.principalId : "";
      const groups =
        access.claims?.idtyp === "user"
          ? "This could be because the user's group memberships were not present in the AAD token."
          : "";
      const dataCode = request.byRid ? 5303 : 5302;
      return forbidden(
        `${blocked}Request is blocked because principal [${principal}] does not have required RBAC permissions to perform action [${decision.action}] on resource [${decision.resource}]. ${learnMore}${groups}`,
        request.row.action === "readMetadata" ? 5301 : dataCode,
      );
    }
  }
}
