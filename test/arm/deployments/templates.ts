/** Making templates and deploying them in tests. */
import { type Answer, type ArmFixture, group, type Shown } from "../fixture.ts";

export interface TemplateParts {
  readonly parameters?: object;
  readonly variables?: object;
  readonly functions?: readonly object[];
  readonly resources?: object;
  readonly outputs?: object;
  readonly languageVersion?: string;
  readonly definitions?: object;
}

export function template(parts: TemplateParts): object {
  return {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    resources: [],
    ...parts,
  };
}

/** A web site as a template resource: the plainest thing that has properties, identity and children. */
export function site(name: string, more: object = {}): object {
  return { type: "Microsoft.Web/sites", apiVersion: "2023-01-01", name, location: "westeurope", ...more };
}

export function deploymentUrl(name: string = "main", scope: string = group): string {
  return `${scope}/providers/Microsoft.Resources/deployments/${name}`;
}

export interface DeployOptions {
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly mode?: string;
  readonly as?: string;
  readonly name?: string;
  readonly validate?: boolean;
}

/** Deploys; parameters are given as plain values. */
export function deploy(fixture: ArmFixture, document: unknown, options: DeployOptions = {}): Promise<Answer> {
  const {
    parameters = {},
    mode = "Incremental",
    as = fixture.owner,
    name = "main",
    validate = false,
  } = options;
  const given = Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, { value }]));
  const body = { properties: { mode, template: document, parameters: given } };
  const url = deploymentUrl(name);
  return validate
    ? fixture.send("POST", `${url}/validate`, { body, as })
    : fixture.send("PUT", url, { body, as });
}

export function stateOf(answer: Answer): string {
  return String(answer.body["properties"]?.["provisioningState"]);
}

/** The outputs as plain values. */
export function outputsOf(answer: Answer): Readonly<Record<string, unknown>> {
  const outputs = (answer.body["properties"]?.["outputs"] ?? {}) as unknown as Record<
    string,
    { value?: unknown }
  >;
  return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, output.value]));
}

/** Names of all resources in the group. */
export async function resourceNames(fixture: ArmFixture): Promise<readonly string[]> {
  const { body } = await fixture.send("GET", `${group}/resources`);
  return (body["value"] as unknown as readonly Shown[]).map((each) => String(each["name"])).sort();
}

/** Follows the polling header of an accepted deployment until it is not running any more. */
export async function poll(fixture: ArmFixture, accepted: Answer): Promise<Shown> {
  const url = new URL(accepted.headers["azure-asyncoperation"] ?? "");
  for (let tries = 0; tries < 500; tries++) {
    const { body } = await fixture.send("GET", `${url.pathname}${url.search}`, { apiVersion: null });
    if (!["Accepted", "Running"].includes(String(body["status"]))) return body;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("the deployment did not end");
}
