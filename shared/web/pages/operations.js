// Keeps the picture current, says what is wrong, and opens what is behind an arrow.

import { ask, tell, hasToken, keepToken, dropToken, takeToken, Problem } from "./asking.js";
import { cards, draw, h, keyOf, LATE_SECONDS, reading, seconds, sending, write } from "./drawing.js";
import { parkedTable } from "./parked.js";

const EVERY_MS = 2000;
const $ = (id) => document.getElementById(id);

let known = null; // { services: { name: path }, zipkin }
const flows = new Map(); // name: { flow: the last that was said, away: why there is none now }
let chosen = null; // { kind: "send" | "read", service, topic }
let timer = null;
let reasonTaken = null;

// Looking

async function look() {
  clearTimeout(timer);
  try {
    known = known || (await ask("/operations/services"));
    const names = Object.keys(known.services).sort(byFlow);
    for (const name of names) if (!flows.has(name)) flows.set(name, { flow: null, away: null });
    await Promise.all(names.map(lookAt));
    write($("fresh"), `Looked at ${new Date().toLocaleTimeString("en-GB")}`);
    $("fresh").classList.remove("late");
  } catch (error) {
    if (error.status === 401 || error.status === 403) return askForToken(error.message);
    write($("fresh"), "The service that serves this page does not answer. Trying again …");
    $("fresh").classList.add("late");
  }
  if (!document.hidden) timer = setTimeout(look, EVERY_MS);
}

async function lookAt(name) {
  try {
    flows.set(name, { flow: await ask(`${known.services[name]}/flow`), away: null });
  } catch (error) {
    if (error.status === 401 || error.status === 403) throw error;
    if (!(error instanceof Problem)) throw error;
    flows.set(name, { flow: flows.get(name).flow, away: error.message });
  }
  $("sign-in").hidden = true;
  $("shown").hidden = false;
  picture(); // at once, for another one may take its time
}

const ORDER = ["integration", "membership", "scheduling", "cpd", "reporting"];
const byFlow = (one, other) => ORDER.indexOf(one) - ORDER.indexOf(other) || one.localeCompare(other);

function picture() {
  draw($("flow"), flows, known.writers, choose);
  $("services").replaceChildren(...cards(flows));
  const wrong = troubles();
  const text = JSON.stringify(wrong.map(({ words }) => words));
  if ($("troubles").dataset.shown !== text) {
    $("troubles").dataset.shown = text;
    $("troubles").replaceChildren(...wrong.map(item));
  }
  write($("heading"), wrong.length ? `${wrong.length} ${wrong.length === 1 ? "thing needs" : "things need"} somebody` : "All is well");
  $("heading").dataset.trouble = wrong.length ? "bad" : "";
  document.title = wrong.length ? `(${wrong.length}) Aspire: operations` : "Aspire: operations";
  if (chosen) figures();
}

// What is wrong

function troubles() {
  const found = [];
  for (const [name, { flow, away }] of flows) {
    if (away) found.push({ words: away });
    else if (flow) found.push(...stops(name, flow), ...silent(name, flow), ...waiting(name, flow), ...alarms(name, flow));
  }
  return found;
}

const stops = (name, flow) => flow.stops.map((stop) => ({
  words: `${name}: ${stop.part} is stopped: ${stop.reason}`,
  resume: stop.part === "api" ? null : name,
}));

function silent(name, flow) {
  const stopped = flow.stops.map((stop) => stop.part);
  const none = flow.replicas.length ? [] : [{ words: `${name}: no replica has said anything.` }];
  return none.concat(flow.replicas.flatMap((replica) => {
    const where = `${name}, process ${replica.pid} on ${replica.host}`;
    if (!replica.well) return [{ words: `${where} has said nothing for ${seconds(replica.silent)}` }];
    const says = Object.entries(replica.troubles).filter(([part]) => !stopped.includes(part));
    return says.map(([part, trouble]) => ({ words: `${where}: ${part}: ${trouble}` }));
  }));
}

function waiting(name, flow) {
  const found = [];
  const stopped = flow.stops.some((stop) => stop.part === "consumer");
  if (flow.outbox && flow.outbox_age > LATE_SECONDS) {
    const arrow = { kind: "send", service: name, topic: flow.writes[0]?.topic };
    found.push({ words: `${name}: the oldest unsent event has waited for ${seconds(flow.outbox_age)}`, arrow });
  }
  for (const read of flow.reads) {
    const arrow = { kind: "read", service: name, topic: read.topic };
    if (read.parked) found.push({ words: `${name}: ${read.parked} of ${read.topic} ${read.parked === 1 ? "is" : "are"} parked`, arrow });
    if (read.lag_seconds > LATE_SECONDS && !stopped) found.push({ words: `${name}: ${read.lag} of ${read.topic} have not taken effect for up to ${seconds(read.lag_seconds)}`, arrow });
  }
  return found;
}

const ALARMS = {
  missing: "events wait for one that is missing: aspire verify looks for it",
  contradicting: "one sequence has come with two ids",
  differing: "journal, topics and inbox differ: run aspire verify",
};

const alarms = (name, flow) => Object.entries(flow.alarms)
  .filter(([, count]) => count)
  .map(([alarm, count]) => ({ words: `${name}: ${ALARMS[alarm] || alarm} (${count})` }));

function item({ words, arrow, resume }) {
  const acts = [];
  if (arrow) acts.push(h("button", { type: "button", click: () => choose(arrow) }, "Look"));
  if (resume) {
    const act = async (reason) => {
      const { resumed } = await tell(`${known.services[resume]}/resume`, { because: reason });
      return `${resume}: ${resumed.join(" and ")} may go on.`;
    };
    acts.push(h("button", { type: "button", click: () => because(`Let ${resume} go on`, act) }, "Resume …"));
  }
  return h("li", {}, h("span", {}, `✗ ${words}`), ...acts);
}

// Behind an arrow

function choose(arrow) {
  chosen = arrow;
  const { kind, service, topic } = arrow;
  write($("detail-title"), kind === "send" ? `${service} sends ${topic}` : `${service} reads ${topic}`);
  for (const each of document.querySelectorAll(".arrow")) each.setAttribute("aria-pressed", each.id === keyOf(kind, service, topic));
  $("detail").hidden = false;
  figures();
  $("detail-links").replaceChildren(traces(arrow));
  $("detail-title").focus();
  $("detail").scrollIntoView({ block: "nearest" });
  parked();
}

function figures() {
  const { kind, service, topic } = chosen;
  const says = (kind === "send" ? sending : reading)(flows.get(service), topic);
  const moving = says.rate === null ? "" : `${says.rate.toFixed(1)} events a second; `;
  const read = flows.get(service).flow?.reads.find((each) => each.topic === topic);
  const shared = kind === "read" && read ? `; ${read.partitions} partitions are read` : "";
  write($("detail-figures"), `${moving}${says.age}${shared}.`);
}

function traces({ kind, service, topic }) {
  if (!known.zipkin) return "Traces are not kept in a Zipkin that this service knows.";
  const query = new URLSearchParams({
    serviceName: `aspire-${service}`, spanName: `${kind === "send" ? "send" : "process"} ${topic}`, lookback: "1h", limit: "20",
  });
  return h("a", { href: `${known.zipkin}/zipkin/?${query}`, target: "_blank", rel: "noreferrer" }, "Its traces in Zipkin");
}

async function parked() {
  const arrow = chosen;
  if (arrow.kind === "send") return $("parked").replaceChildren();
  const ways = { zipkin: known.zipkin, because, done: act };
  try {
    const table = await parkedTable(known.services[arrow.service], arrow.topic, ways);
    if (arrow === chosen) $("parked").replaceChildren(table);
  } catch (error) {
    if (arrow === chosen) $("parked").replaceChildren(h("p", {}, error.message));
  }
}

// Acting

async function act(doing) {
  try {
    const words = await doing();
    if (words === undefined) return;
    notice(words);
    if (chosen) parked();
    look();
  } catch (error) {
    notice(error.message);
  }
}

function because(title, doing) {
  reasonTaken = (reason) => act(() => doing(reason));
  write($("why-title"), title);
  write($("why-do"), title);
  $("because").value = "";
  $("why").showModal();
}

function notice(text) {
  write($("notice"), text);
  $("notice").hidden = !text;
}

// Who looks

function askForToken(reason) {
  dropToken();
  known = null;
  flows.clear();
  $("shown").hidden = true;
  $("sign-in").hidden = false;
  write($("fresh"), "");
  notice(reason || "");
  $("token").focus();
}

function begin() {
  takeToken();
  hasToken() ? look() : askForToken();
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  $("token").value = "";
  notice("");
  look();
});
$("why-form").addEventListener("submit", (event) => {
  event.preventDefault();
  $("why").close();
  reasonTaken($("because").value.trim());
});
$("why-not").addEventListener("click", () => $("why").close());
window.addEventListener("hashchange", begin);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && known) look();
});
begin();
