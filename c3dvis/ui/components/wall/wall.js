// The wall: clips side by side, all at the same frame. It draws the message of wall_message in __init__.py.
// Its root element has the attributes data-cells, data-drawn (cells with decoded pixels), data-frame, data-playing.

const SPEEDS = [2, 5, 10, 15, 24, 30];
const STATE_TEXT = { dead: "dead", queued: "waiting", running: "rendering", failed: "failed", absent: "not rendered" };
const walls = new WeakMap(); // parentElement -> Wall

/** Split a message: "C3DW", header length (uint32, little endian), JSON header, pixels of all cells. */
function unpack(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const magic = String.fromCharCode(...data.subarray(0, 4));
  if (magic !== "C3DW") throw new Error(`The wall expects a message that begins with C3DW, received ${magic}.`);
  const length = view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length)));
  return { ...header, payload: data.subarray(8 + length) };
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

/** A canvas of the size of a frame. Few pixels are a kernel: they are drawn as squares. */
function makeCanvas(pixels) {
  const [, height, width] = pixels.shape;
  const canvas = make("canvas", { width, height, className: width < 32 ? "squares" : "" });
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** Decode the pixels of a cell; the returned function draws one frame of them onto a canvas. */
async function decode(pixels, bytes) {
  const [, height, width] = pixels.shape;
  if (pixels.columns) {
    const sheet = await createImageBitmap(new Blob([bytes], { type: "image/webp" }));
    return (context, frame) => {
      const left = (frame % pixels.columns) * width;
      const top = Math.floor(frame / pixels.columns) * height;
      context.drawImage(sheet, left, top, width, height, 0, 0, width, height);
    };
  }
  const image = new ImageData(width, height);
  image.data.fill(255);
  return (context, frame) => {
    for (let from = frame * width * height * 3, to = 0; to < image.data.length; from += 3, to += 4) {
      image.data[to] = bytes[from];
      image.data[to + 1] = bytes[from + 1];
      image.data[to + 2] = bytes[from + 2];
    }
    context.putImageData(image, 0, 0);
  };
}

class Wall {
  constructor(parent) {
    this.root = make("div", { className: "wall", tabIndex: -1 });
    this.list = make("ul");
    this.bar = make("div", { className: "bar" });
    this.root.append(this.list, this.bar);
    parent.append(this.root);
    this.painters = new Map(); // key of the pixels -> promise of the function that draws them
    this.cells = [];
    this.position = 0; // frames played so far, with fraction
    this.fps = 10;
    this.playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.makeBar();
    this.onScreen = true;
    this.visibility = new IntersectionObserver((entries) => (this.onScreen = entries[entries.length - 1].isIntersecting));
    this.visibility.observe(this.root);
    this.tick = (now) => {
      this.advance(now);
      this.timer = requestAnimationFrame(this.tick);
    };
    this.timer = requestAnimationFrame(this.tick);
  }

  makeBar() {
    const button = (text, label, onClick) => {
      const element = make("button", { type: "button", textContent: text, title: label });
      element.setAttribute("aria-label", label);
      element.addEventListener("click", onClick);
      return element;
    };
    this.play = button("", "Play or pause all", () => this.set(!this.playing));
    this.back = button("‹", "Step back", () => this.seek(this.frame - 1));
    this.forward = button("›", "Step forward", () => this.seek(this.frame + 1));
    this.scrub = make("input", { type: "range", min: 1, step: 1 });
    this.scrub.setAttribute("aria-label", "Frame of all");
    this.scrub.addEventListener("input", () => this.seek(Number(this.scrub.value) - 1));
    this.count = make("span", { className: "count" });
    const cut = (text) => {
      const label = make("label", { className: "cut", textContent: text });
      const range = make("input", { type: "range", min: 0, max: 100, value: 50 });
      range.addEventListener("input", () => this.cells.forEach((cell) => cell.slice?.()));
      label.append(range);
      this.bar.append(label);
      return range;
    };
    this.speed = make("select");
    this.speed.setAttribute("aria-label", "Speed, frames per second");
    for (const fps of SPEEDS) this.speed.append(make("option", { value: fps, textContent: `${fps} fps`, selected: fps === this.fps }));
    this.speed.addEventListener("change", () => (this.fps = Number(this.speed.value)));
    this.bar.append(this.play, this.back, this.scrub, this.count, this.forward, this.speed);
    this.row = cut("Row of the x–t slices");
    this.column = cut("Column of the y–t slices");
  }

  get frames() {
    return Math.max(1, ...this.cells.map((cell) => cell.frames));
  }

  get frame() {
    return Math.floor(this.position) % this.frames;
  }

  show(message) {
    const focused = this.root.getRootNode().activeElement?.dataset?.name;
    this.root.style.setProperty("--side", `${message.side}px`);
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", message.label);
    this.root.classList.toggle("scrubbed", message.scrub);
    this.root.dataset.cells = message.cells.length;
    const known = this.painters;
    this.painters = new Map();
    this.cells = message.cells.map((cell) => this.makeCell(cell, message.payload, known));
    this.list.replaceChildren(...this.cells.map((cell) => cell.item));
    this.bar.hidden = !this.cells.some((cell) => cell.canvas || cell.taps.length > 1);
    this.scrub.max = this.frames;
    if (focused) this.list.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
    this.draw();
  }

  makeCell(header, payload, known) {
    const item = make("li", { className: `is-${header.state}` });
    const link = make(header.link ? "a" : "div");
    if (header.link) Object.assign(link, { href: header.link }).dataset.visit = ""; // address.js follows it
    else link.setAttribute("role", "img");
    link.dataset.name = header.name;
    link.setAttribute("aria-label", `${header.title}${STATE_TEXT[header.state] ? `, ${STATE_TEXT[header.state]}` : ""}${header.caption ? `, ${header.caption}` : ""}`);
    item.append(link);
    const cell = { item, frames: 1, hold: 1, taps: [] };
    const pixels = header.state === "dead" ? null : header.pixels;
    if (pixels) {
      cell.frames = pixels.shape[0] * pixels.hold;
      cell.hold = pixels.hold;
      cell.canvas = makeCanvas(pixels);
      cell.context = cell.canvas.getContext("2d");
      const bytes = payload.subarray(pixels.from, pixels.to);
      const painter = known.get(pixels.key) ?? decode(pixels, bytes);
      this.painters.set(pixels.key, painter);
      painter.then((paint) => {
        cell.paint = paint;
        this.drawCell(cell);
        this.root.dataset.drawn = this.cells.filter((other) => other.paint).length;
      });
      link.append(this.root.classList.contains("scrubbed") && !pixels.columns ? this.makeSlices(cell, pixels, bytes) : cell.canvas);
    } else link.append(make("span", { className: "absent", textContent: STATE_TEXT[header.state] ?? "" }));
    if (header.taps) link.append(this.makeTaps(cell, header.taps, payload));
    link.append(make("span", { className: "title", textContent: header.title }));
    if (header.caption) link.append(make("span", { className: "caption", textContent: header.caption }));
    return cell;
  }

  /** A clip's slices x–t below it and y–t beside it, through the row and column that the sliders of the bar choose. */
  makeSlices(cell, pixels, bytes) {
    const [frames, height, width] = pixels.shape;
    const box = make("span", { className: "slices" });
    box.style.gridTemplateColumns = `${width}fr ${frames}fr`;
    const canvases = [make("canvas", { width, height: frames, className: "xt" }), make("canvas", { width: frames, height, className: "yt" })];
    const fill = (canvas, offset) => {
      const image = new ImageData(canvas.width, canvas.height);
      for (let y = 0, to = 0; y < canvas.height; y++)
        for (let x = 0; x < canvas.width; x++, to += 4) {
          const from = 3 * offset(x, y);
          image.data.set([bytes[from], bytes[from + 1], bytes[from + 2], 255], to);
        }
      canvas.getContext("2d").putImageData(image, 0, 0);
    };
    cell.slice = () => {
      const row = Math.round((this.row.value / 100) * (height - 1));
      const column = Math.round((this.column.value / 100) * (width - 1));
      fill(canvases[0], (x, t) => (t * height + row) * width + x);
      fill(canvases[1], (t, y) => (t * height + y) * width + column);
      Object.assign(box.dataset, { row, column });
    };
    for (const canvas of canvases) canvas.setAttribute("aria-hidden", "true");
    box.append(cell.canvas, canvases[1], canvases[0]);
    cell.slice();
    return box;
  }

  /** All frames of a kernel side by side; the one that is played is outlined. */
  makeTaps(cell, pixels, payload) {
    const strip = make("span", { className: "taps" });
    const painter = decode(pixels, payload.subarray(pixels.from, pixels.to));
    for (let frame = 0; frame < pixels.shape[0]; frame++) {
      const canvas = makeCanvas(pixels);
      painter.then((paint) => paint(canvas.getContext("2d"), frame));
      cell.taps.push(canvas);
      strip.append(canvas);
    }
    cell.tapHold = pixels.hold;
    return strip;
  }

  set(playing) {
    this.playing = playing;
    this.draw();
  }

  seek(frame) {
    this.playing = false;
    this.position = (frame + this.frames) % this.frames;
    this.draw();
  }

  advance(now) {
    const passed = Math.min(now - (this.now ?? now), 250); // a tab that was in the background continues where it stopped
    this.now = now;
    if (!this.playing || !this.onScreen) return;
    const before = Math.floor(this.position);
    this.position += (passed * this.fps) / 1000;
    if (Math.floor(this.position) !== before) this.draw();
  }

  draw() {
    for (const cell of this.cells) this.drawCell(cell);
    this.root.dataset.frame = this.frame;
    this.root.dataset.playing = this.playing;
    this.play.textContent = this.playing ? "Pause" : "Play";
    this.scrub.value = this.frame + 1; // counted from 1, as in the player
    const figures = String(this.frames).length; // all counts are equally wide, so that nothing moves while it plays
    this.count.textContent = `${String(this.frame + 1).padStart(figures, "\u2007")} / ${this.frames}`;
  }

  drawCell(cell) {
    const shown = Math.floor(this.position);
    if (cell.paint) cell.paint(cell.context, Math.floor((shown % cell.frames) / cell.hold));
    if (cell.taps.length < 2) return;
    const now = Math.floor(shown / cell.tapHold) % cell.taps.length;
    cell.taps.forEach((canvas, frame) => canvas.classList.toggle("now", frame === now));
  }

  destroy() {
    cancelAnimationFrame(this.timer);
    this.visibility.disconnect();
    this.root.remove();
  }
}

export default function ({ parentElement, data }) {
  let wall = walls.get(parentElement);
  if (!wall) walls.set(parentElement, (wall = new Wall(parentElement)));
  const update = (wall.updates = (wall.updates || 0) + 1);
  wall.show(unpack(data));
  parentElement.dispatchEvent(new Event("drawn", { bubbles: true, composed: true })); // page.js shows what stands below
  return () => {
    if (wall.updates !== update) return; // a later message is shown already: keep the wall
    walls.delete(parentElement);
    wall.destroy();
  };
}
