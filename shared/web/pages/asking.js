// Asks the services, by way of the one that served this page, as the bearer of the tab's token.

const TOKEN = "aspire-operations-token";

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  const answer = await fetch(path, {
    cache: "no-store",
    ...options,
    headers: { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}`, ...options.headers },
  });
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw new Problem(answer.status, body.detail || `The service answered ${answer.status}.`);
}

export function tell(path, body) {
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
  const headers = { "Idempotency-Key": key, "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: body && JSON.stringify(body) });
}

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);
export const dropToken = () => sessionStorage.removeItem(TOKEN);

// A token in the fragment, which browsers never send to a server, is taken and goes from the address.
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  keepToken(given);
  history.replaceState(null, "", location.pathname + location.search);
}
