/** The grant with which a device polls for the person who types its code (RFC 8628 section 3.4). */
import { AuthorityError, faults } from "../errors.ts";
import type { Grant } from "./grant.ts";
import { isGrantOf, issueUserTokens, requireConsent, requireSignedIn } from "./user-tokens.ts";

export const deviceCodeGrant: Grant = async (context, request) => {
  // Older libraries call the parameter `code`.
  const code = request.form.get("device_code") ?? request.form.get("code");
  if (code === undefined || code === "") throw new AuthorityError(faults.missingParameter("device_code"));
  const known = context.signIns.devices.get(code);
  if (known === undefined || !isGrantOf(known.value, request))
    throw new AuthorityError(faults.badDeviceCode());
  const device = known.value;
  if (device.state === "redeemed") throw new AuthorityError(faults.codeRedeemed());
  if (known.expired) throw new AuthorityError(faults.deviceCodeExpired());
  if (device.state === "declined") throw new AuthorityError(faults.deviceDeclined());
  if (device.state === "pending") throw new AuthorityError(faults.authorizationPending());
  const signedIn = device.state;
  device.state = "redeemed";
  const user = await requireSignedIn(context, signedIn);
  // Consent was given on the page, and may have been taken back since.
  await requireConsent(context, request, user.objectId, device.requested);
  return issueUserTokens(context, request, { user, stamp: signedIn.stamp, requested: device.requested });
};
