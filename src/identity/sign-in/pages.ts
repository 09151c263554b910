/**
 * The few pages that a person sees: plain forms without scripts. Everything that came with a request is escaped, no
 * page may be framed, and a form goes only to us and to where the client may be sent back to.
 */
import type { Reply } from "../../http/service.ts";

/** A page; `formTargets` are further origins that a form may lead to. */
export function page(
  status: number,
  title: string,
  body: string,
  options: {
    readonly formTargets?: readonly string[];
    readonly cookie?: string;
    readonly script?: string;
  } = {},
): Reply {
  const { formTargets = [], cookie, script } = options;
  // Browsers apply form-action to the redirect that follows a form, too.
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    `form-action 'self' ${formTargets.join(" ")}`.trim(),
    "frame-ancestors 'none'",
    "base-uri 'none'",
    ...(script === undefined ? [] : [`script-src 'nonce-${script}'`]),
  ];
  return {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy.join("; "),
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      ...(cookie === undefined ? {} : { "set-cookie": cookie }),
    },
    body: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;background:#f3f2f1;color:#201f1e;margin:0}
main{max-width:26rem;margin:8vh auto;background:#fff;padding:2rem;border-radius:6px;box-shadow:0 2px 8px #0002}
h1{font-size:1.4rem;margin:0 0 1rem}label{display:block;margin:.8rem 0 .2rem}
input{width:100%;box-sizing:border-box;padding:.5rem;font:inherit;border:1px solid #8a8886;border-radius:3px}
button{margin:1.4rem .4rem 0 0;padding:.5rem 1.5rem;font:inherit;border:0;border-radius:3px;background:#0067b8;color:#fff;cursor:pointer}
button.quiet{background:#e1dfdd;color:#201f1e}:focus-visible{outline:2px solid #0067b8;outline-offset:1px}
.problem{color:#a80000;background:#fdf3f4;padding:.5rem .8rem;border-radius:3px}p{overflow-wrap:anywhere}small{color:#605e5c}
</style>
<main>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
</html>
`,
  };
}

/** The sign-in form of a page that waits under `flow`. */
export function signInForm(options: {
  readonly action: string;
  readonly flow: string;
  readonly clientName: string;
  readonly audience: string;
  readonly tenant: string;
  readonly loginHint?: string;
  readonly problem?: string;
}): string {
  return `${problemLine(options.problem)}
<p><b>${escapeHtml(options.clientName)}</b> asks for access to <b>${escapeHtml(options.audience)}</b> in your name. By signing in you allow it.</p>
<form method="post" action="${escapeHtml(options.action)}">
<input type="hidden" name="flow" value="${escapeHtml(options.flow)}">
<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" required autofocus value="${escapeHtml(options.loginHint ?? "")}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button name="decision" value="signin">Sign in</button>
<button name="decision" value="cancel" class="quiet" formnovalidate>Cancel</button>
</form>
<p><small>Tenant ${escapeHtml(options.tenant)}, on this machine. Users: celestite identity user --help</small></p>`;
}

/** The form where a device's code is typed. */
export function deviceForm(options: {
  readonly action: string;
  readonly flow: string;
  readonly userCode?: string;
  readonly problem?: string;
}): string {
  return `${problemLine(options.problem)}
<p>Type the code that your device shows. Only go on if you started the sign-in yourself.</p>
<form method="post" action="${escapeHtml(options.action)}">
<input type="hidden" name="flow" value="${escapeHtml(options.flow)}">
<label for="otc">Code</label>
<input id="otc" name="otc" autocomplete="off" required autofocus value="${escapeHtml(options.userCode ?? "")}">
<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button name="decision" value="signin">Sign in</button>
<button name="decision" value="cancel" class="quiet" formnovalidate>Decline</button>
</form>`;
}

/** A form that sends `fields` to `target` by itself, for the `form_post` response mode. */
export function formPost(target: string, fields: ReadonlyMap<string, string>, nonce: string): string {
  const inputs = [...fields].map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  );
  return `<form method="post" action="${escapeHtml(target)}">
${inputs.join("\n")}
<button>Continue</button>
</form>
<script nonce="${nonce}">document.forms[0].submit()</script>`;
}

export function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

function problemLine(problem: string | undefined): string {
  return problem === undefined ? "" : `<p class="problem">${escapeHtml(problem)}</p>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
