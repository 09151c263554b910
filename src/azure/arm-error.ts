/**
 * The error of the control plane: thrown by what handles an ARM resource, in whichever room, and rendered once, in
 * `arm/gateway.ts`. `message` is public text.
 */

export interface ArmErrorDetail {
  readonly code: string;
  readonly message: string;
  readonly target?: string;
  readonly details?: readonly ArmErrorDetail[];
  readonly additionalInfo?: readonly { readonly type: string; readonly info: unknown }[];
}

export class ArmError extends Error {
  override readonly name = "ArmError";
  readonly status: number;
  readonly detail: ArmErrorDetail;

  /** `status` is the HTTP status; `rest` adds target, details and additionalInfo to the body. */
  constructor(
    status: number,
    code: string,
    message: string,
    rest: Omit<ArmErrorDetail, "code" | "message"> = {},
  ) {
    super(message);
    this.status = status;
    this.detail = { code, message, ...rest };
  }
}
