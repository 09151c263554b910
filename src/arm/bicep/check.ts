/** Everything that can be wrong with a file beyond its syntax; each kind of check has its own file. */
import { checkDeclaration } from "./check-declarations.ts";
import { checkFunctions } from "./check-functions.ts";
import { checkIdentity } from "./check-identity.ts";
import { checkLoops } from "./check-loops.ts";
import { checkNames } from "./check-names.ts";
import { checkParameterFile } from "./check-params.ts";
import { checkDeployTime } from "./deploy-time.ts";
import type { Model } from "./model.ts";
import { checkScopes } from "./scopes.ts";

/** Reports what is wrong with a file; after it without errors, the file can be compiled. */
export function checkModel(model: Model): void {
  checkNames(model);
  for (const statement of model.program.statements) {
    if (statement.kind !== "skipped") checkDeclaration(model, statement);
  }
  checkParameterFile(model);
  checkScopes(model);
  checkIdentity(model);
  checkFunctions(model);
  checkLoops(model);
  checkDeployTime(model);
}
