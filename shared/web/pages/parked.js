// The parked records behind an arrow: looked at, replayed and discarded.

import { ask, tell } from "./asking.js";
import { h } from "./drawing.js";

const MOST = 50;

// `because(title, act)` asks the person for a reason; `done(words)` is told what came of an act.
export async function parkedTable(base, topic, { zipkin, because, done }) {
  const page = await ask(`${base}/parked?limit=${MOST}&topic=${encodeURIComponent(topic)}`);
  if (!page.items.length) return h("p", {}, "Nothing is parked here.");
  const titles = ["no.", "type", "key", "seq.", "parked", "reason", ""];
  const rows = page.items.flatMap((record) => rowsOf(base, record, { zipkin, because, done }));
  const table = h(
    "table", {},
    h("caption", {}, page.next ? `The first ${MOST} parked events` : "Parked events"),
    h("thead", {}, h("tr", {}, ...titles.map((title) => h("th", { scope: "col" }, title)))),
    h("tbody", {}, ...rows),
  );
  return h("div", { class: "scroll" }, table);
}

function rowsOf(base, record, { zipkin, because, done }) {
  const number = record.parked_id;
  const at = `${base}/parked/${number}`;
  const value = h("pre", {});
  const more = h("tr", { hidden: true }, h("td", { colspan: 7 }, value));
  const show = async () => {
    more.hidden = !more.hidden;
    if (!more.hidden) value.textContent = (await ask(at)).value ?? "Not shown: the topic is about people.";
  };
  const replay = async () => {
    const { applied, failed } = await tell(`${at}/replay`);
    const again = failed.map((each) => ` Sequence ${each.sequence} failed again: ${each.reason}.`);
    return `${applied} took effect.${again.join("")}`;
  };
  const discard = async (reason) => {
    await tell(`${at}/discard`, { because: reason });
    return `Number ${number} is discarded.`;
  };
  const links = zipkin && record.trace_id
    ? [h("a", { href: `${zipkin}/zipkin/traces/${record.trace_id}`, target: "_blank", rel: "noreferrer" }, "Trace")]
    : [];
  const acts = [
    ...links,
    h("button", { type: "button", click: () => done(show) }, "Show"),
    record.key === null ? "" : h("button", { type: "button", click: () => done(replay) }, "Replay"),
    h("button", { type: "button", click: () => because(`Discard number ${number} for good`, discard) }, "Discard …"),
  ];
  const since = new Date(record.since).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "short" });
  const type = (record.type || "–").replace("uk.aspire.", "");
  const cells = [number, type, record.key ?? "–", record.sequence ?? "–", since, record.reason];
  return [
    h("tr", {}, ...cells.map((cell) => h("td", {}, String(cell))), h("td", { class: "acts" }, ...acts)),
    more,
  ];
}
