/** The registry of resource providers with behaviour of their own; every other namespace is kept generically. */
import type { Provider } from "../operation.ts";
import { authorizationProvider } from "./authorization.ts";
import { computeProvider } from "./compute.ts";
import { containerServiceProvider } from "./container-service.ts";
import { diagnosticSettingsProvider } from "./diagnostic-settings.ts";
import { documentDbProvider } from "./document-db.ts";
import { featuresProvider } from "./features.ts";
import { inlineChildrenProvider } from "./inline-children.ts";
import { keyVaultProvider } from "./key-vault.ts";
import { managedIdentityProvider } from "./managed-identity.ts";
import { managementProvider } from "./management-groups.ts";
import { recordKeysProvider } from "./record-keys.ts";
import { recordTypesProvider } from "./record-types.ts";
import { resourcesProvider } from "./resources.ts";
import { sqlProvider } from "./sql.ts";
import { webProvider } from "./web.ts";

export const providers: readonly Provider[] = [
  resourcesProvider,
  authorizationProvider,
  managedIdentityProvider,
  managementProvider,
  documentDbProvider,
  containerServiceProvider,
  featuresProvider,
  computeProvider,
  diagnosticSettingsProvider,
  keyVaultProvider,
  sqlProvider,
  webProvider,
  inlineChildrenProvider,
  recordKeysProvider,
  recordTypesProvider,
];
