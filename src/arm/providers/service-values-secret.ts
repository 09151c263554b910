/** Types of which a part, or everything, is taken and never shown: what is in them is listed by an action, or not at all. */
import type { RecordTypes } from "./service-values.ts";

const key = { hidden: ["value"] };
const credentials = { hidden: ["credentials"] };

export const secretTypes: RecordTypes = {
  "Microsoft.ApiManagement/service/certificates": { hidden: ["data"] },
  "Microsoft.ApiManagement/service/loggers": credentials,
  "Microsoft.ApiManagement/service/subscriptions": { hidden: ["primaryKey", "secondaryKey"] },
  "Microsoft.App/managedEnvironments/certificates": key,
  "Microsoft.CognitiveServices/accounts/connections": credentials,
  "Microsoft.CognitiveServices/accounts/projects/connections": credentials,
  "Microsoft.MachineLearningServices/workspaces/connections": credentials,
  "Microsoft.MachineLearningServices/workspaces/datastores": credentials,
  "Microsoft.Web/connections": { hidden: ["parameterValues", "parameterValueSet"] },
  "Microsoft.Web/sites/functions/keys": key,
  "Microsoft.Web/sites/slots/functions/keys": key,
  "Microsoft.Web/staticSites/builds/config": { hidesAll: true },
  "Microsoft.Web/staticSites/config": { hidesAll: true },
};
