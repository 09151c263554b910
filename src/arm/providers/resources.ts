/** Microsoft.Resources: subscriptions, resource groups, the lists over them, and deployments. */
import { cloudMetadataOperation } from "../cloud-metadata.ts";
import type { Provider } from "../operation.ts";
import { deploymentOperations } from "./deployments.ts";
import { exportGroupOperation } from "./export-group.ts";
import { resourceGroupOperations } from "./resource-groups.ts";
import { subscriptionOperations } from "./subscriptions.ts";
import { tagOperations } from "./tags.ts";
import { templateHashOperation } from "./template-hash.ts";

export const resourcesProvider: Provider = {
  operations: [
    cloudMetadataOperation,
    ...subscriptionOperations,
    ...resourceGroupOperations,
    ...deploymentOperations,
    ...tagOperations,
    exportGroupOperation,
    templateHashOperation,
  ],
};
