// Fetches the report that is chosen, shows it, and keeps it current.

import { answer as get, Problem, hasToken, keepToken, dropToken, takeToken } from "./asking.js";
import { draw, sizeForPaper, sizeForScreen } from "./plots.js";
import { bigFigures, panelsOf } from "./figures.js";

const EVERY_MS = 2000;
const $ = (id) => document.getElementById(id);
const time = () => new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "Europe/London" });

let choices = null;
let shown = { path: null, etag: null };
let freshAt = null;
let timer = null;
let asking = 0;
let listening = false;

// What is chosen, kept in the address so that it can be bookmarked.

const chosen = () => new URLSearchParams(location.search);

function choose(changes) {
  const wanted = chosen();
  for (const [name, value] of Object.entries(changes)) value ? wanted.set(name, value) : wanted.delete(name);
  history.pushState(null, "", `?${wanted}`);
  follow();
}

function pathOf(wanted) {
  const year = `/reports/${encodeURIComponent(wanted.get("year") || choices.this_year)}`;
  if (wanted.get("school")) return `${year}/schools/${encodeURIComponent(wanted.get("school"))}`;
  if (wanted.get("network")) return `${year}/networks/${encodeURIComponent(wanted.get("network"))}`;
  if (wanted.get("region")) return `${year}/regions/${encodeURIComponent(wanted.get("region"))}`;
  return choices.national ? year : null;
}

async function offer() {
  choices = await (await get("/choices")).json();
  settle();
  const wanted = chosen();
  const [region, network] = [wanted.get("region"), wanted.get("network")];
  if (choices.networks.some((each) => each.network_id === network)) {
    choices = await (await get(`/choices?network_id=${encodeURIComponent(network)}`)).json();
  }
  const networks = choices.networks.filter((each) => !region || each.region === region);
  options("year", choices.years.map((year) => [year, year]), wanted.get("year") || choices.this_year);
  options("region", [["", "All of England"], ...choices.regions.map((name) => [name, name])], region);
  options("network", [...(choices.national ? [["", "All networks"]] : []), ...networks.map((each) => [each.network_id, each.name])], network);
  options("school", [...(choices.networks.length ? [["", "All schools"]] : []), ...choices.schools.map((each) => [each.school_id, each.name])], wanted.get("school"));
  $("region-choice").hidden = !choices.regions.length;
  $("network-choice").hidden = !choices.networks.length;
  $("school-choice").hidden = !choices.schools.length;
  $("choices").hidden = false;
}

// Who may not see all of England begins with the first network or school of theirs.
function settle() {
  const wanted = chosen();
  if (choices.national || wanted.get("network") || wanted.get("school")) return;
  if (choices.networks.length) wanted.set("network", choices.networks[0].network_id);
  else if (choices.schools.length) wanted.set("school", choices.schools[0].school_id);
  history.replaceState(null, "", `?${wanted}`);
}

function options(id, values, selected) {
  const select = $(id);
  const text = JSON.stringify(values);
  if (select.dataset.values !== text) {
    select.replaceChildren(...values.map(([value, label]) => new Option(label, value)));
    select.dataset.values = text;
  }
  select.value = selected || (values.length ? values[0][0] : "");
}

// Keeping current

async function follow() {
  clearTimeout(timer);
  const mine = ++asking;
  try {
    await offer();
    if (mine === asking) await look(mine);
  } catch (error) {
    if (mine === asking) failed(error);
  }
}

async function look(mine) {
  clearTimeout(timer);
  try {
    const path = pathOf(chosen());
    if (path === null) throw new Problem(404, "Your token names no network or school to report on.");
    const known = shown.path === path ? { "If-None-Match": shown.etag } : {};
    const answer = await get(path, { headers: known });
    const report = answer.status === 304 ? null : await answer.json();
    if (mine !== asking) return;
    if (report) {
      show(report);
      shown = { path, etag: answer.headers.get("ETag") };
    }
    isFresh();
    if (!listening) listen();
  } catch (error) {
    if (mine === asking) failed(error);
    return;
  }
  if (!document.hidden) timer = setTimeout(() => look(mine), EVERY_MS);
}

// The service says at once when figures may have changed. Where it cannot, the timer asks.
async function listen() {
  listening = true;
  try {
    const told = (await get("/changes")).body.getReader();
    while (!(await told.read()).done) if (!document.hidden && choices) await look(asking);
  } catch {
    // look() says what is wrong
  } finally {
    listening = false;
  }
}

function isFresh() {
  freshAt = time();
  write($("fresh"), `Up to date at ${freshAt}`);
  $("fresh").classList.remove("late");
  $("notice").hidden = true;
}

function failed(error) {
  if (error.status === 401) return askForToken(error.message);
  if (error.status) {
    $("figures").hidden = true;
    shown = { path: null, etag: null };
    return notice(error.status === 403 ? `${error.message} Choose another report.` : error.message);
  }
  console.warn(error);
  const since = freshAt ? `These figures are from ${freshAt}` : "No figures yet";
  write($("fresh"), `${since}: the service does not answer. Trying again …`);
  $("fresh").classList.add("late");
  timer = setTimeout(() => (choices ? look(asking) : follow()), EVERY_MS);
}

function notice(text) {
  write($("notice"), text);
  $("notice").hidden = false;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Showing

function show(report) {
  const title = `${report.scope.name}, ${report.year}`;
  write($("heading"), title);
  document.title = `Aspire: ${title}`;
  $("sign-in").hidden = true;
  $("figures").hidden = false;
  $("big").replaceChildren(...bigFigures(report));
  const panels = panelsOf(report);
  const names = panels.map((panel) => panel.name);
  for (const old of [...$("panels").children]) if (!names.includes(old.id)) old.remove();
  for (const panel of panels) draw($("panels"), panel);
  const inOrder = [...$("panels").children].every((each, at) => each.id === names[at]);
  if (!inOrder) $("panels").append(...names.map($));
}

// Who asks

function askForToken(reason) {
  dropToken();
  choices = null;
  $("figures").hidden = true;
  $("choices").hidden = true;
  $("sign-in").hidden = false;
  write($("fresh"), "");
  reason ? notice(reason) : ($("notice").hidden = true);
  $("token").focus();
}

function begin() {
  takeToken();
  hasToken() ? follow() : askForToken();
}

async function download() {
  const path = shown.path;
  if (!path) return;
  try {
    const answer = await get(`${path}?format=csv`);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = name ? name[1] : "aspire.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    failed(error);
  }
}

$("year").addEventListener("change", (event) => choose({ year: event.target.value }));
$("region").addEventListener("change", (event) => choose({ region: event.target.value, network: "", school: "" }));
$("network").addEventListener("change", (event) => choose({ network: event.target.value, school: "" }));
$("school").addEventListener("change", (event) => choose({ school: event.target.value }));
$("csv").addEventListener("click", download);
$("print").addEventListener("click", () => window.print());
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  $("token").value = "";
  follow();
});
window.addEventListener("popstate", follow);
window.addEventListener("hashchange", begin);
window.addEventListener("beforeprint", sizeForPaper);
window.addEventListener("afterprint", sizeForScreen);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && choices) look(asking);
});
begin();
