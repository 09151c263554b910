/**
 * All endpoints that a workload's own secret opens, behind one address. Apart from each of them, because they are
 * loaded together with the first request for a token, and a start does not wait for them.
 */
import type { Service } from "../../http/service.ts";
import { createAppServiceEndpoint } from "./app-service.ts";
import { cloudShellPath, createCloudShellEndpoint } from "./cloud-shell.ts";
import { createDeveloperEndpoint, developerPath } from "./developer.ts";
import type { ManagedIdentityContext } from "./select-identity.ts";

/** The endpoint of App Service, and by their own paths those of Cloud Shell and of developers. */
export function createManagedEndpoints(context: ManagedIdentityContext): Service {
  const appService = createAppServiceEndpoint(context);
  const cloudShell = createCloudShellEndpoint(context);
  const developer = createDeveloperEndpoint(context);
  return (request) => {
    if (request.target.startsWith(cloudShellPath)) return cloudShell(request);
    return request.target.startsWith(developerPath) ? developer(request) : appService(request);
  };
}
