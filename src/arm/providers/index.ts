/** The registry of resource providers with behaviour of their own; every other namespace is kept generically. */
import type { Provider } from "../operation.ts";
import { authorizationProvider } from "./authorization.ts";
import { containerServiceProvider } from "./container-service.ts";
import { documentDbProvider } from "./document-db.ts";
import { featuresProvider } from "./features.ts";
import { managedIdentityProvider } from "./managed-identity.ts";
import { recordTypesProvider } from "./record-types.ts";
import { resourcesProvider } from "./resources.ts";

export const providers: readonly Provider[] = [
  resourcesProvider,
  authorizationProvider,
  managedIdentityProvider,
  documentDbProvider,
  containerServiceProvider,
  featuresProvider,
  recordTypesProvider,
];
