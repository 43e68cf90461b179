// Draws the flow: a lane for each topic, an arrow from who sends it and one to each who reads it.

export const LATE_SECONDS = 60;
const SLOW_SECONDS = 5;

export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function seconds(value) {
  if (value === null) return "–";
  if (value < 10) return `${value.toFixed(value < 1 ? 2 : 1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  return value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
}

const many = (count) => count.toLocaleString("en-GB");
const rate = (value) => `${value < 100 ? value.toFixed(1) : many(Math.round(value))}/s`;

// The lanes: [{ topic, sender, readers }], of the topics of services that can be asked.
export function lanesOf(flows, writers) {
  const reads = (topic) => [...flows].filter(([, each]) => each.flow?.reads.some((read) => read.topic === topic));
  return Object.entries(writers)
    .map(([topic, sender]) => ({ topic, sender, readers: reads(topic).map(([name]) => name) }))
    .filter(({ sender, readers }) => flows.has(sender) || readers.length);
}

// What an arrow says: { rate, age, trouble: "" | "late" | "bad", words }. `away`: nobody knows.
export function sending(entry, topic) {
  if (!entry?.flow || entry.away) return { rate: null, age: "no figures", trouble: "bad" };
  const flow = entry.flow;
  const halted = flow.stops.some((stop) => stop.part === "relay" || stop.part === "api");
  const moving = flow.writes.find((each) => each.topic === topic).rate;
  const late = flow.outbox > 0 && flow.outbox_age > LATE_SECONDS;
  const age = flow.outbox ? `${many(flow.outbox)} unsent, ${seconds(flow.outbox_age)}` : "all sent";
  return { rate: moving, age: halted ? `stopped; ${age}` : age, trouble: halted || late ? "bad" : "" };
}

export function reading(entry, topic) {
  if (!entry?.flow || entry.away) return { rate: null, age: "no figures", trouble: "bad" };
  const read = entry.flow.reads.find((each) => each.topic === topic);
  const stopped = entry.flow.stops.some((stop) => stop.part === "consumer");
  const behind = read.lag ? `${many(read.lag)} behind, ${seconds(read.lag_seconds)}` : null;
  const words = [behind || (read.age === null ? "no effect yet" : `after ${seconds(read.age)}`)];
  if (stopped) words.unshift("stopped");
  if (read.parked) words.push(`${many(read.parked)} parked`);
  if (read.set_aside) words.push(`${many(read.set_aside)} set aside`);
  const bad = stopped || read.parked || read.lag_seconds > LATE_SECONDS || read.set_aside_age > LATE_SECONDS;
  return { rate: read.rate, age: words.join(", "), trouble: bad ? "bad" : read.lag_seconds > SLOW_SECONDS || read.set_aside ? "late" : "" };
}

export const keyOf = (kind, service, topic) => `${kind}:${service}:${topic}`;

// Makes the lanes anew only where there are others, so that focus and movement stay.
export function draw(place, flows, writers, choose) {
  const lanes = lanesOf(flows, writers);
  const shape = JSON.stringify(lanes);
  if (place.dataset.shape !== shape) {
    place.dataset.shape = shape;
    place.replaceChildren(...lanes.map((lane) => laneOf(lane, choose)));
  }
  for (const { topic, sender, readers } of lanes) {
    update(keyOf("send", sender, topic), sending(flows.get(sender), topic), `${sender} sends ${topic}`);
    for (const name of readers) {
      update(keyOf("read", name, topic), reading(flows.get(name), topic), `${name} reads ${topic}`);
    }
  }
}

function laneOf({ topic, sender, readers }, choose) {
  const reads = readers.map((name) => h("li", {}, arrow("read", name, topic, choose), h("span", { class: "box" }, name)));
  return h(
    "div", { class: "lane" },
    h("span", { class: "box" }, sender),
    arrow("send", sender, topic, choose),
    h("span", { class: "box topic" }, topic),
    readers.length ? h("ul", { class: "readers" }, ...reads) : h("p", { class: "nobody" }, "no consumer"),
  );
}

function arrow(kind, service, topic, choose) {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  line.setAttribute("viewBox", "0 0 100 10");
  line.setAttribute("preserveAspectRatio", "none");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M0 5H100");
  line.append(path);
  return h(
    "button", { class: "arrow", type: "button", id: keyOf(kind, service, topic), click: () => choose({ kind, service, topic }) },
    h("span", { class: "rate" }), h("span", { class: "line", "aria-hidden": "true" }, line), h("span", { class: "age" }),
  );
}

function update(id, { rate: moving, age, trouble }, what) {
  const button = document.getElementById(id);
  const sign = trouble === "bad" ? "✗ " : "";
  write(button.querySelector(".rate"), moving === null ? "–" : rate(moving));
  write(button.querySelector(".age"), sign + age);
  button.dataset.trouble = trouble;
  button.dataset.moving = moving === null || moving === 0 ? "no" : moving < 10 ? "slow" : "fast";
  button.setAttribute("aria-label", `${what}: ${moving === null ? "" : `${rate(moving)}, `}${age}`);
}

export function cards(flows) {
  return [...flows].map(([name, { flow, away }]) => {
    const said = away || !flow ? { words: away ? "does not answer" : "…", bad: Boolean(away) } : counted(flow);
    return h(
      "article", { class: "service", "data-trouble": said.bad ? "bad" : "" },
      h("h3", {}, name), h("p", {}, said.words),
    );
  });
}

function counted(flow) {
  const well = flow.replicas.filter((each) => each.well).length;
  const words = [`${well} ${well === 1 ? "replica" : "replicas"}`];
  if (flow.stops.length) words.push(`${flow.stops.map((each) => each.part).join(" and ")} stopped`);
  if (flow.writes.length) words.push(flow.outbox ? `${many(flow.outbox)} unsent` : "nothing unsent");
  return { words: words.join(" · "), bad: flow.stops.length > 0 || well === 0 };
}
