/** Errors of the template engine, in the form that tools print: one sentence, with line and column where known. */
import { ArmError, type ArmErrorDetail } from "../../azure/arm-error.ts";
import type { Position } from "./lenient-json.ts";

/** 400 `InvalidTemplate`: the template or its parameters are wrong, whatever the state of the group. */
export function invalidTemplate(detail: string, position?: Position, path: string = ""): ArmError {
  const info = {
    lineNumber: position?.line ?? 0,
    linePosition: position?.column ?? 0,
    path,
  };
  return new ArmError(
    400,
    "InvalidTemplate",
    `Deployment template validation failed: '${detail.replace(/\.$/, "")}.'.`,
    { additionalInfo: [{ type: "TemplateViolation", info }] },
  );
}

/** `at line '1' and column '2'`, zero when the place is unknown. */
export function place(position: Position | undefined): string {
  return `at line '${position?.line ?? 0}' and column '${position?.column ?? 0}'`;
}

/** 400 `InvalidTemplate` for an expression of one resource that failed while its body was made. */
export function resourceExpressionFailed(
  id: string,
  position: Position | undefined,
  detail: string,
): ArmError {
  return new ArmError(
    400,
    "InvalidTemplate",
    `Unable to process template language expressions for resource '${id}' ${place(position)}. '${detail}'`,
    {
      additionalInfo: [
        {
          type: "TemplateViolation",
          info: { lineNumber: position?.line ?? 0, linePosition: position?.column ?? 0, path: "" },
        },
      ],
    },
  );
}

/** 400 `InvalidTemplateDeployment`: the template is sound, but what it wants is not allowed or not possible. */
export function invalidDeployment(failures: readonly ArmErrorDetail[]): ArmError {
  const [only] = failures;
  const messages = failures.map((failure) => failure.message).join(":");
  const message =
    failures.length === 1 && only !== undefined
      ? `The template deployment failed with error: '${only.message}'.`
      : `Deployment failed with multiple errors: '${messages}'`;
  return new ArmError(400, "InvalidTemplateDeployment", message, { details: failures });
}

/** What a failed run is reported as; `details` has one entry for each resource that failed. */
export function deploymentFailed(id: string, details: readonly ArmErrorDetail[]): ArmErrorDetail {
  return {
    code: "DeploymentFailed",
    target: id,
    message:
      "At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.",
    details,
  };
}
