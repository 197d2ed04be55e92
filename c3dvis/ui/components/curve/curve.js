// The curve: one value over the optimiser's steps, as an SVG in the colours of the page's theme.

const WIDTH = 320;
const HEIGHT = 96;
const PAD = { left: 6, right: 6, top: 8, bottom: 16 };

function svg(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

const valueText = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

export default function ({ parentElement, data: message }) {
  const data = JSON.parse(new TextDecoder().decode(message));
  parentElement.querySelector(".curve")?.remove();
  const { points, steps, label } = data; // points: [[step, value], …]
  const root = document.createElement("div");
  root.className = "curve";
  root.dataset.points = points.length;
  const values = points.map((point) => point[1]);
  const low = Math.min(0, ...values);
  const high = Math.max(...values, low + 1e-9);
  const x = (step) => PAD.left + (step / Math.max(1, steps)) * (WIDTH - PAD.left - PAD.right);
  const y = (value) => HEIGHT - PAD.bottom - ((value - low) / (high - low)) * (HEIGHT - PAD.top - PAD.bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const last = points[points.length - 1];
  const summary = points.length ? `${label}: ${valueText(values[0])} at step ${points[0][0]}, ${valueText(last[1])} at step ${last[0]}` : label;
  drawing.setAttribute("aria-label", summary);
  drawing.append(svg("line", { class: "axis", x1: PAD.left, x2: WIDTH - PAD.right, y1: y(low), y2: y(low) }));
  const path = points.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  if (points.length > 1) drawing.append(svg("path", { class: "area", d: `${path}L${x(last[0])} ${y(low)}L${x(points[0][0])} ${y(low)}Z` }));
  drawing.append(svg("path", { class: "trace", d: path }));
  if (last) drawing.append(svg("circle", { class: "dot", cx: x(last[0]), cy: y(last[1]), r: 3 }));
  drawing.append(svg("text", { x: PAD.left, y: HEIGHT - 3 }, "step 0"));
  drawing.append(svg("text", { x: WIDTH - PAD.right, y: HEIGHT - 3, "text-anchor": "end" }, String(steps)));
  const title = document.createElement("div");
  title.className = "title";
  const readout = document.createElement("span");
  title.append(label, readout);
  const showReadout = (point) => (readout.textContent = point ? `${valueText(point[1])} at step ${point[0]}` : "");
  showReadout(last);
  const mark = svg("line", { class: "mark", y1: PAD.top, y2: HEIGHT - PAD.bottom, visibility: "hidden" });
  drawing.append(mark);
  const showNearest = (event) => {
    const box = drawing.getBoundingClientRect();
    const step = (((event.clientX - box.left) / box.width) * WIDTH - PAD.left) * (Math.max(1, steps) / (WIDTH - PAD.left - PAD.right));
    const nearest = points.reduce((best, point) => (Math.abs(point[0] - step) < Math.abs(best[0] - step) ? point : best));
    for (const end of ["x1", "x2"]) mark.setAttribute(end, x(nearest[0]));
    mark.setAttribute("visibility", "visible");
    showReadout(nearest);
  };
  for (const event of ["pointermove", "pointerdown"]) drawing.addEventListener(event, showNearest);
  drawing.addEventListener("pointerleave", () => {
    mark.setAttribute("visibility", "hidden");
    showReadout(last);
  });
  root.append(title, drawing);
  parentElement.append(root);
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
}
