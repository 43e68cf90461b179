// Asks services, by way of the one that served this page, as the bearer of the tab's token. Each page
// has a token of its own, under the name that its root element says.

const TOKEN = document.documentElement.dataset.token;

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function answer(path, options = {}) {
  const found = await fetch(path, {
    cache: "no-store",
    ...options,
    headers: { Authorization: `Bearer ${sessionStorage.getItem(TOKEN)}`, ...options.headers },
  });
  if (found.ok || found.status === 304) return found;
  const problem = await found.json().catch(() => ({}));
  throw new Problem(found.status, problem.detail || `The service answered ${found.status}.`);
}

export const ask = async (path, options) => (await answer(path, options)).json();

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
