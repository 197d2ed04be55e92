// The curve: one value over the optimiser's steps, as an SVG in the colours of the page's theme.

const WIDTH = 320; // at least, in units of the drawing
const HEIGHT = 96;
const TALLEST = 150; // CSS pixels, as in the style sheet; where there is room for more, the drawing becomes wider
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
  const root = document.createElement("div");
  root.className = "curve";
  root.dataset.points = data.points.length;
  parentElement.append(root);
  let drawn = 0; // units
  const redraw = () => {
    const width = Math.max(WIDTH, Math.round((root.clientWidth * HEIGHT) / TALLEST));
    if (width !== drawn) draw(root, data, (drawn = width));
  };
  redraw();
  const resizes = new ResizeObserver(redraw);
  resizes.observe(root);
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  return () => resizes.disconnect();
}

/** Draw a curve, so many units wide. */
function draw(root, { points, steps, label }, width) {
  // points: [[step, value], …]
  const values = points.map((point) => point[1]);
  const low = Math.min(0, ...values);
  const high = Math.max(...values, low + 1e-9);
  const x = (step) => PAD.left + (step / Math.max(1, steps)) * (width - PAD.left - PAD.right);
  const y = (value) => HEIGHT - PAD.bottom - ((value - low) / (high - low)) * (HEIGHT - PAD.top - PAD.bottom);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
  const last = points[points.length - 1];
  const summary = points.length ? `${label}: ${valueText(values[0])} at step ${points[0][0]}, ${valueText(last[1])} at step ${last[0]}` : label;
  drawing.setAttribute("aria-label", summary);
  drawing.append(svg("line", { class: "axis", x1: PAD.left, x2: width - PAD.right, y1: y(low), y2: y(low) }));
  const path = points.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  if (points.length > 1) drawing.append(svg("path", { class: "area", d: `${path}L${x(last[0])} ${y(low)}L${x(points[0][0])} ${y(low)}Z` }));
  drawing.append(svg("path", { class: "trace", d: path }));
  if (last) drawing.append(svg("circle", { class: "dot", cx: x(last[0]), cy: y(last[1]), r: 3 }));
  drawing.append(svg("text", { x: PAD.left, y: HEIGHT - 3 }, "step 0"));
  drawing.append(svg("text", { x: width - PAD.right, y: HEIGHT - 3, "text-anchor": "end" }, String(steps)));
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
    const step = (((event.clientX - box.left) / box.width) * width - PAD.left) * (Math.max(1, steps) / (width - PAD.left - PAD.right));
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
  root.replaceChildren(title, drawing);
}
