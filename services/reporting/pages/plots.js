// Draws a panel: a heading, a plot, and beside it a table with the same figures.

import { element } from "./figures.js";

const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false };
const FONT = { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", size: 13, color: "#1c2b36" };
const PAPER_WIDTH = 310;
const still = window.matchMedia("(prefers-reduced-motion: reduce)");

// Adds the panel or brings it up to date; what has not changed is not touched.
export function draw(into, panel) {
  let figure = document.getElementById(panel.name);
  const text = JSON.stringify(panel);
  if (figure && figure.dataset.drawn === text) return;
  if (!figure) {
    figure = frame(panel);
    into.append(figure);
  }
  figure.querySelector(".lead").textContent = panel.lead || "";
  figure.querySelector(".lead").hidden = !panel.lead;
  fill(figure.querySelector("table"), panel.table);
  plot(figure.querySelector(".plot"), panel);
  figure.dataset.drawn = text;
}

export const sizeForPaper = () => all((each) => Plotly.relayout(each, { width: PAPER_WIDTH, autosize: false }));
export const sizeForScreen = () => all((each) => Plotly.relayout(each, { width: null, autosize: true }));

function all(act) {
  document.querySelectorAll(".plot.js-plotly-plot").forEach(act);
}

function frame(panel) {
  const figure = element("section", undefined, panel.half ? "panel half" : "panel");
  figure.id = panel.name;
  const heading = element("h2", panel.title);
  heading.id = `${panel.name}-heading`;
  figure.setAttribute("aria-labelledby", heading.id);
  const sides = element("div", undefined, "sides");
  const drawing = element("div", undefined, "plot");
  drawing.setAttribute("role", "img");
  const beside = element("div", undefined, "scroll");
  beside.append(element("table"));
  sides.append(drawing, beside);
  figure.append(heading, element("p", "", "lead"), sides);
  return figure;
}

function fill(table, { caption, head, rows, foot }) {
  const line = (cells, scope) => {
    const row = element("tr");
    row.append(...cells.map((text, number) => cell(text, number === 0 ? scope : scope === "col" ? "col" : null)));
    return row;
  };
  const part = (tag, lines, scope) => {
    const made = element(tag);
    made.append(...lines.map((cells) => line(cells, scope)));
    return made;
  };
  table.replaceChildren(element("caption", caption), part("thead", [head], "col"), part("tbody", rows, "row"), part("tfoot", [foot], "row"));
}

function cell(text, scope) {
  const made = element(scope ? "th" : "td", text);
  if (scope) made.scope = scope;
  return made;
}

function plot(drawing, { title, plot: wanted }) {
  drawing.setAttribute("aria-label", `${title}, as bars; the table has the same figures.`);
  const [traces, layout] = wanted.kind === "bars" ? lying(wanted) : standing(wanted);
  const height = wanted.kind === "bars" ? 12 + 34 * wanted.names.length : 400;
  Plotly.react(
    drawing,
    traces,
    {
      ...layout,
      height,
      autosize: true,
      font: FONT,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      dragmode: false,
      bargap: 0.35,
      hoverlabel: { bgcolor: "#1c2b36", bordercolor: "#1c2b36", font: { ...FONT, color: "#ffffff" } },
      transition: still.matches ? undefined : { duration: 300, easing: "cubic-in-out" },
    },
    CONFIG,
  );
}

const QUIET = { gridcolor: "#e4eaec", zerolinecolor: "#9fb0b7", fixedrange: true, rangemode: "tozero", tickformat: ",~f" };
const NAMES = { fixedrange: true, ticklabelstandoff: 6 };
const LETTER_PX = 7.4; // the widest that the letters of a label are on average

function lying({ names, values, colour }) {
  const trace = {
    type: "bar",
    orientation: "h",
    x: values,
    y: names,
    marker: { color: colour },
    text: values.map((value) => value.toLocaleString("en-GB")),
    textposition: "outside",
    cliponaxis: false,
    hovertemplate: "%{y}: %{x:,}<extra></extra>",
  };
  return [
    [trace],
    {
      // Margins are set, not found: plotly would find them again at each step of a movement.
      margin: { l: 14 + LETTER_PX * Math.max(...names.map((name) => name.length)), r: 64, t: 6, b: 6 },
      // Each bar says its number, so the axis says nothing.
      xaxis: { ...QUIET, ...atLeastFour(values), showticklabels: false, showgrid: false },
      yaxis: { ...NAMES, autorange: "reversed" },
      showlegend: false,
    },
  ];
}

function standing({ kind, names, series }) {
  const traces = series.map(({ name, values, colour }) => ({
    type: "bar",
    name,
    x: names,
    y: values,
    marker: { color: colour, line: { color: "#ffffff", width: kind === "stacked" ? 1 : 0 } },
    hovertemplate: "%{x}: %{y:,} " + name.toLowerCase() + "<extra></extra>",
  }));
  const heights = kind === "stacked" ? names.map((_, at) => series.reduce((sum, each) => sum + each.values[at], 0)) : series.flatMap((each) => each.values);
  return [
    traces,
    {
      barmode: kind === "stacked" ? "stack" : "group",
      margin: { l: 52, r: 10, t: 44, b: 30 },
      xaxis: { ...NAMES, type: "category" },
      yaxis: { ...QUIET, ...atLeastFour(heights) },
      showlegend: series.length > 1,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal", itemclick: false, itemdoubleclick: false },
    },
  ];
}

// Counts of nothing or little get whole numbers on the axis, not tenths.
function atLeastFour(values) {
  return Math.max(0, ...values) < 4 ? { range: [0, 4], dtick: 1 } : {};
}
