/** Microsoft.Resources/calculateTemplateHash: the hash that a deployment of this template would show. */
import { templateHash } from "../deployments/hashes.ts";
import type { Call, Operation, Outcome } from "../operation.ts";
import { objectBody } from "./generic.ts";

export const templateHashOperation: Operation = {
  method: "POST",
  path: "/providers/Microsoft.Resources/calculateTemplateHash",
  action: "anyCaller",
  handler: calculateHash,
};

async function calculateHash(call: Call): Promise<Outcome> {
  const template = objectBody(call);
  const body = { minifiedTemplate: JSON.stringify(template), templateHash: templateHash(template) };
  return { status: 200, body };
}
